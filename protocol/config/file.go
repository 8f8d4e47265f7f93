package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// line is one setting of a config file.
type line struct {
	key, value string
	number     int
}

// parseFile reads key=value lines as in Kafka's server.properties: comments begin with # or !, a line that ends in a
// backslash continues on the next one, "=" or ":" separates, blanks around both sides are dropped.
func parseFile(text string) ([]line, error) {
	var out []line
	var problems []error
	seen := map[string]int{}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		number := i + 1
		l := strings.TrimSpace(lines[i])
		if l == "" || l[0] == '#' || l[0] == '!' {
			continue
		}
		for strings.HasSuffix(l, `\`) && i+1 < len(lines) {
			i++
			l = strings.TrimSuffix(l, `\`) + strings.TrimSpace(lines[i])
		}
		at := strings.IndexAny(l, "=:")
		if at <= 0 {
			problems = append(problems, fmt.Errorf("line %d: %q is not key=value", number, l))
			continue
		}
		key, value := strings.TrimSpace(l[:at]), strings.TrimSpace(l[at+1:])
		if first, twice := seen[key]; twice {
			problems = append(problems, fmt.Errorf("line %d: %s was set on line %d already", number, key, first))
			continue
		}
		seen[key] = number
		out = append(out, line{key, value, number})
	}
	return out, errors.Join(problems...)
}

// sortFile tells options from Kafka's broker configs. Every problem of the file is reported, not only the first.
func sortFile(lines []line) (options map[string]line, kafka map[string]string, err error) {
	options, kafka = map[string]line{}, map[string]string{}
	var problems []error
	fail := func(l line, format string, args ...any) {
		problems = append(problems, fmt.Errorf("line %d: %s", l.number, fmt.Sprintf(format, args...)))
	}
	put := func(name string, l line) {
		if first, twice := options[name]; twice {
			fail(l, "%s sets --%s, as %s on line %d does", l.key, name, first.key, first.number)
			return
		}
		options[name] = l
	}
	for _, l := range lines {
		switch o := optionOfKey(l.key); {
		case o != nil && o.Name == "config":
			fail(l, "a config file cannot name another one")
		case o != nil && o.Name == "data-dir" && strings.Contains(l.value, ","):
			fail(l, "%s: there is one data directory, not a list", l.key)
		case o != nil:
			put(o.Name, l)
		case l.key == "listeners":
			if host, port, err := listener(l.value); err != nil {
				fail(l, "listeners: %v; other nodes connect to --raft-addr", err)
			} else {
				put("kafka-port", line{l.key, port, l.number})
				if host != "" {
					put("bind-addr", line{l.key, host, l.number})
				}
			}
		case l.key == "advertised.listeners":
			if host, port, err := listener(l.value); err != nil {
				fail(l, "advertised.listeners: %v", err)
			} else {
				put("advertised-addr", line{l.key, bracket(host) + ":" + port, l.number})
			}
		case findBroker(l.key) == nil:
			fail(l, "unknown key %s%s", l.key, didYouMean(l.key, fileKeys()))
		default:
			if _, _, err := acceptBroker(l.key, l.value); err != nil {
				fail(l, "%v", err)
				continue
			}
			kafka[l.key] = l.value
		}
	}
	return options, kafka, errors.Join(problems...)
}

func optionOfKey(key string) *Option {
	for i := range Options {
		if Options[i].Name == key || slices.Contains(Options[i].Keys, key) {
			return &Options[i]
		}
	}
	return nil
}

func fileKeys() []string {
	keys := BrokerConfigNames()
	for _, o := range Options {
		keys = append(keys, o.Name)
		keys = append(keys, o.Keys...)
	}
	return keys
}

// listener takes PLAINTEXT://host:port apart; the host may be empty.
func listener(text string) (host, port string, err error) {
	if strings.Contains(text, ",") {
		return "", "", fmt.Errorf("there is one listener, PLAINTEXT, not %q", text)
	}
	rest, ok := strings.CutPrefix(text, "PLAINTEXT://")
	if !ok {
		return "", "", fmt.Errorf("%q is not PLAINTEXT://host:port", text)
	}
	at := strings.LastIndex(rest, ":")
	if at < 0 {
		return "", "", fmt.Errorf("%q has no port", text)
	}
	return strings.Trim(rest[:at], "[]"), rest[at+1:], nil
}
