package main

import (
	"fmt"
	"strings"

	"chronik/protocol/config"
)

// usageError is a command line that cannot be meant; its text says what would be.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// commands in the order of --help.
var commandNames = []string{"standalone", "raft-cluster", "cluster", "version", "completion", "verify-log", "help"}

// checkPlacement reads the command line as far as to say which options stand in the wrong place, are unknown or are given
// twice. The values themselves are parsed later.
func checkPlacement(args []string) error {
	s := scan{flags: map[string]string{}}
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--":
			return s.finish()
		case !strings.HasPrefix(a, "-") || a == "-":
			if s.command != "" {
				if s.serves() {
					return usage("%s takes no argument %q", s.command, a)
				}
				return nil // the command's own arguments
			}
			if s.command = a; !known(a) {
				return usage("unknown command %q%s", a, suggest(a))
			}
		default:
			used, err := s.option(args[i:])
			if err != nil {
				return err
			}
			i += used
		}
	}
	return s.finish()
}

type scan struct {
	command   string
	flags     map[string]string
	misplaced []string
}

func (s *scan) serves() bool {
	return s.command == "" || s.command == "standalone" || s.command == "raft-cluster"
}

// option notes one option and says how many further arguments its value took.
func (s *scan) option(args []string) (used int, err error) {
	name, value, inline := strings.Cut(strings.TrimLeft(args[0], "-"), "=")
	switch name {
	case "help", "h", "version", "v", "generate-bash-completion":
		return 0, nil
	}
	o := config.FindOption(name)
	if o == nil {
		if !s.serves() {
			return 0, nil // the command knows
		}
		hint := config.NearestOption(name)
		if hint != "" {
			hint = "; did you mean --" + hint + "?"
		}
		return 0, usage("unknown option --%s%s", name, hint)
	}
	if !inline {
		switch {
		case o.Type == config.TypeBoolean:
			value = "true"
		case len(args) < 2:
			return 0, usage("--%s needs a value: %s", name, o.Value)
		default:
			value, used = args[1], 1
		}
	}
	if _, twice := s.flags[name]; twice {
		return 0, usage("--%s is given twice", name)
	}
	s.flags[name] = value
	if o.Raft && s.command != "raft-cluster" || !o.Raft && s.command != "" {
		s.misplaced = append(s.misplaced, name)
	}
	return used, nil
}

// finish reports misplaced options, once all are known, with the command line that was meant.
func (s *scan) finish() error {
	if len(s.misplaced) == 0 {
		return nil
	}
	name := s.misplaced[0]
	raft := config.FindOption(name).Raft
	switch {
	case raft && s.command == "raft-cluster":
		return usage("--%s is an option of raft-cluster and stands behind it:\n  %s", name, config.CommandLine(s.command, s.flags))
	case raft:
		return usage("multi-node needs raft-cluster: --%s is one of its options; use\n  %s", name, config.CommandLine("raft-cluster", s.flags))
	case !s.serves():
		return usage("--%s is an option of the broker; %s does not take it", name, s.command)
	}
	return usage("--%s is a global option and stands before %s:\n  %s", name, s.command, config.CommandLine(s.command, s.flags))
}

func known(command string) bool {
	for _, c := range commandNames {
		if c == command {
			return true
		}
	}
	return command == "h"
}

func suggest(word string) string {
	best := ""
	for _, c := range commandNames {
		if strings.HasPrefix(c, word) || strings.Contains(c, word) {
			best = c
		}
	}
	if best == "" {
		return "; commands are " + strings.Join(commandNames, ", ")
	}
	return "; did you mean " + best + "?"
}
