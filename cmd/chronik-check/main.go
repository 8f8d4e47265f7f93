// Command chronik-check judges recorded histories: chronik-check [-json] FILE... Its exit code is 1 when a rule is
// broken, 2 when a history cannot be read.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"chronik/cmd/history"
)

func main() {
	asJSON := flag.Bool("json", false, "one JSON object per anomaly")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: chronik-check [-json] FILE...")
		os.Exit(2)
	}
	code := 0
	for _, file := range flag.Args() {
		found, err := judge(file)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", file, err)
			os.Exit(2)
		}
		for _, a := range found {
			show(file, a, *asJSON)
			if !a.Allowed {
				code = 1
			}
		}
	}
	os.Exit(code)
}

func judge(file string) ([]history.Anomaly, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, err := history.Read(f)
	return history.Check(h), err
}

func show(file string, a history.Anomaly, asJSON bool) {
	if !asJSON {
		fmt.Printf("%s: %s (allowed: %t), operation %d: %s\n", file, a.Name, a.Allowed, a.Op, a.What)
		return
	}
	line, _ := json.Marshal(struct {
		File string
		history.Anomaly
	}{file, a})
	fmt.Println(string(line))
}
