package group

import "strings"

// state is the state of a classic group; String is Kafka's name for it.
type state uint8

const (
	empty      state = iota // no members; offsets may exist
	preparing               // members have to join again
	completing              // members know the generation and wait for the leader's assignment
	stable                  // the assignment is stored and given out
	dead                    // deleted; the actor is about to stop
)

var stateNames = [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"}

func (s state) String() string { return stateNames[s] }

// follows lists the states from which a state can be entered.
var follows = [...][]state{
	empty:      {preparing},
	preparing:  {stable, completing, empty},
	completing: {preparing},
	stable:     {completing},
	dead:       {empty},
}

func (s state) mayFollow(previous state) bool {
	for _, p := range follows[s] {
		if p == previous {
			return true
		}
	}
	return false
}

// matches applies a filter of ListGroups, which ignores case; an empty one lets everything through.
func matches(filter []string, value string) bool {
	if len(filter) == 0 {
		return true
	}
	for _, f := range filter {
		if strings.EqualFold(f, value) {
			return true
		}
	}
	return false
}
