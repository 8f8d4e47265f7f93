package metadata

import (
	"fmt"
	"strings"

	"chronik/actors/cluster"
)

// maxTopicName is Kafka's bound, in bytes.
const maxTopicName = 249

// CheckName says why a topic name is not legal; "" when it is.
func CheckName(name string) string {
	switch {
	case name == "":
		return "Topic name is invalid: the empty string is not allowed"
	case name == "." || name == "..":
		return fmt.Sprintf("Topic name is invalid: '%s' is not allowed", name)
	case len(name) > maxTopicName:
		return fmt.Sprintf("Topic name is invalid: the length of '%s' is longer than the max allowed length %d", name, maxTopicName)
	}
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return fmt.Sprintf("Topic name is invalid: '%s' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'", name)
		}
	}
	return ""
}

// collides finds a topic that differs from a name only in '.' and '_', which metrics cannot tell apart.
func collides(im *cluster.Image, name string) string {
	if !strings.ContainsAny(name, "._") {
		return ""
	}
	flat := strings.ReplaceAll(name, ".", "_")
	for other := range im.Topics {
		if other != name && strings.ReplaceAll(other, ".", "_") == flat {
			return other
		}
	}
	return ""
}
