// Package lint holds the project to its own rules, as a test: where goroutines, locks, channels and clocks may be, how large
// a file and a function may grow, that every package says what it is, and who may know whom.
package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	maxFileLines     = 500
	maxFunctionLines = 90
)

// free are the folders where goroutines, locks and channels may be; actors/doc.go names the same.
var free = []string{"actors/netio", "wal/vfs", "cmd", "actors/actortest"}

// freeFiles are single files with the same freedom.
var freeFiles = []string{"actors/mailbox.go", "actors/system.go", "actors/cluster/view.go", "actors/broker/broker.go"}

// why a file of freeFiles has it: mailbox and workers are the runtime itself; View and the broker's table of links are maps
// that many actors read and one writes.

// apart lists who may not import whom: a room, and the prefixes that are closed to it.
var apart = map[string][]string{
	"raftnode":        {"chronik/actors", "chronik/protocol", "chronik/cmd"},
	"wal":             {"chronik/actors", "chronik/raftnode", "chronik/protocol/config", "chronik/cmd"},
	"protocol":        {"chronik/actors", "chronik/raftnode", "chronik/wal", "chronik/cmd"},
	"actors/api":      {"chronik/raftnode", "chronik/actors/replica", "chronik/actors/raftgroup"},
	"actors/group":    {"chronik/raftnode", "chronik/actors/replica", "chronik/actors/raftgroup"},
	"actors/peerlink": {"chronik/raftnode", "chronik/actors/replica", "chronik/actors/metadata"},
}

// clocks are functions that core code must be handed instead of calling.
var clocks = map[string]map[string]bool{
	"time":         {"Now": true, "After": true, "AfterFunc": true, "Sleep": true, "Tick": true, "NewTimer": true, "NewTicker": true, "Since": true, "Until": true},
	"math/rand/v2": {"Int": true, "IntN": true, "Int64N": true, "Uint32": true, "Uint64": true, "Float64": true, "Perm": true, "Shuffle": true, "N": true},
}

// Check reads all Go files below root and returns what breaks a rule.
func Check(root string) ([]string, error) {
	var bad []string
	documented := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if base := d.Name(); rel != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		found, doc, err := checkFile(name, rel)
		bad = append(bad, found...)
		if dir := path.Dir(rel); !strings.HasSuffix(rel, "_test.go") {
			documented[dir] = documented[dir] || doc
		}
		return err
	})
	for dir, ok := range documented {
		if !ok {
			bad = append(bad, dir+": no package comment says what it is")
		}
	}
	return bad, err
}

func checkFile(name, rel string) (bad []string, doc bool, err error) {
	fset := token.NewFileSet()
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, false, err
	}
	f, err := parser.ParseFile(fset, name, src, parser.ParseComments)
	if err != nil {
		return nil, false, err
	}
	say := func(pos token.Pos, format string, args ...any) {
		bad = append(bad, fmt.Sprintf("%s:%d: %s", rel, fset.Position(pos).Line, fmt.Sprintf(format, args...)))
	}
	test := strings.HasSuffix(rel, "_test.go")
	generated := ast.IsGenerated(f)
	if lines := strings.Count(string(src), "\n"); lines > maxFileLines && !generated {
		say(f.Package, "%d lines, the limit is %d", lines, maxFileLines)
	}
	imports := map[string]string{}
	for _, i := range f.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		local := path.Base(p)
		if p == "math/rand/v2" {
			local = "rand"
		}
		if i.Name != nil {
			local = i.Name.Name
		}
		imports[local] = p
		for room, closed := range apart {
			if !inside(rel, room) || test {
				continue
			}
			for _, c := range closed {
				if p == c || strings.HasPrefix(p, c+"/") {
					say(i.Pos(), "%s must not know %s", room, p)
				}
			}
		}
	}
	v := visitor{say: say, imports: imports, test: test, free: test || allowed(rel)}
	ast.Inspect(f, v.visit)
	return bad, f.Doc != nil, nil
}

func inside(rel, room string) bool { return strings.HasPrefix(rel, room+"/") }

func allowed(rel string) bool {
	for _, d := range free {
		if inside(rel, d) {
			return true
		}
	}
	for _, f := range freeFiles {
		if rel == f {
			return true
		}
	}
	return false
}

type visitor struct {
	say     func(token.Pos, string, ...any)
	imports map[string]string
	test    bool
	free    bool
}

func (v *visitor) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		v.only(n.Pos(), "a goroutine")
	case *ast.ChanType:
		v.only(n.Pos(), "a channel")
	case *ast.SendStmt:
		v.only(n.Pos(), "a channel")
	case *ast.SelectStmt:
		v.only(n.Pos(), "a channel")
	case *ast.SelectorExpr:
		v.selector(n)
	case *ast.FuncDecl:
		if !v.test && n.Body != nil && strings.Count(bodyText(n), "") > maxFunctionLines {
			v.say(n.Pos(), "%s has more than %d statements", n.Name.Name, maxFunctionLines)
		}
	}
	return true
}

// bodyText has one character per statement of a function.
func bodyText(f *ast.FuncDecl) string {
	var b strings.Builder
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if _, ok := n.(ast.Stmt); ok {
			b.WriteByte('.')
		}
		return true
	})
	return b.String()
}

func (v *visitor) only(pos token.Pos, what string) {
	if !v.free {
		v.say(pos, "%s outside the places that actors/doc.go lists", what)
	}
}

func (v *visitor) selector(s *ast.SelectorExpr) {
	x, ok := s.X.(*ast.Ident)
	if !ok || x.Obj != nil {
		return
	}
	p := v.imports[x.Name]
	switch {
	case p == "sync" && (s.Sel.Name == "Mutex" || s.Sel.Name == "RWMutex" || s.Sel.Name == "Cond" || s.Sel.Name == "Map" || s.Sel.Name == "WaitGroup"):
		v.only(s.Pos(), "sync."+s.Sel.Name)
	case clocks[p][s.Sel.Name] && v.test && s.Sel.Name == "Sleep":
		v.say(s.Pos(), "a test that sleeps")
	case clocks[p][s.Sel.Name] && !v.free:
		v.say(s.Pos(), "%s.%s: it is to be handed in", p, s.Sel.Name)
	}
}
