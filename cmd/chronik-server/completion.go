package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// The scripts ask the program itself what may come next.
const (
	bashCompletion = `_chronik_server() {
  local cur="${COMP_WORDS[COMP_CWORD]}"
  local line=("${COMP_WORDS[@]:0:COMP_CWORD}")
  case "$cur" in -*) line+=("$cur") ;; esac
  COMPREPLY=($(compgen -W "$("${line[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur"))
}
complete -o bashdefault -o default -F _chronik_server chronik-server
`
	zshCompletion = `#compdef chronik-server
_chronik_server() {
  local -a found
  local cur="${words[CURRENT]}"
  local -a line=("${(@)words[1,CURRENT-1]}")
  [[ "$cur" == -* ]] && line+=("$cur")
  found=("${(@f)$(_CLI_ZSH_AUTOCOMPLETE_HACK=1 "${line[@]}" --generate-bash-completion 2>/dev/null)}")
  if [[ -n "${found[1]}" ]]; then _describe 'values' found; else _files; fi
}
compdef _chronik_server chronik-server
`
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a script that completes command lines",
		ArgsUsage: "bash|zsh|fish",
		Action: func(c *cli.Context) error {
			var script string
			var err error
			switch c.Args().First() {
			case "bash":
				script = bashCompletion
			case "zsh":
				script = zshCompletion
			case "fish":
				script, err = c.App.ToFishCompletion()
			default:
				return usage("completion needs the name of a shell: chronik-server completion bash|zsh|fish")
			}
			if err == nil {
				_, err = fmt.Fprint(c.App.Writer, script)
			}
			return err
		},
	}
}
