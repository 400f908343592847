// Reads objects from stdin, a JSON array, and prints what tools that know no Shims make of each: the library kstatus, by which
// Flux and Helm wait, and the health check for Argo CD in the file that is named, run as Argo CD runs it.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type answer struct {
	Status  string `json:"status"`
	Message string `json:"message"`
	Health  string `json:"health"`
	Said    string `json:"said"`
}

func main() {
	script, err := os.ReadFile(os.Args[1])
	fail(err)
	var objects []json.RawMessage
	fail(json.NewDecoder(os.Stdin).Decode(&objects))
	answers := []answer{}
	for _, object := range objects {
		one := &unstructured.Unstructured{}
		fail(one.UnmarshalJSON(object))
		result, err := status.Compute(one)
		fail(err)
		health, said, err := argo(string(script), one.Object)
		fail(err)
		answers = append(answers, answer{string(result.Status), result.Message, health, said})
	}
	fail(json.NewEncoder(os.Stdout).Encode(answers))
}

// As https://github.com/argoproj/argo-cd/blob/master/util/lua/lua.go does it: the object is `obj`, and no library of Lua
// but these is there.
func argo(script string, object map[string]any) (string, string, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{
		{lua.LoadLibName, lua.OpenPackage},
		{lua.BaseLibName, lua.OpenBase},
		{lua.TabLibName, lua.OpenTable},
	} {
		fail(state.CallByParam(lua.P{Fn: state.NewFunction(library.open), NRet: 0, Protect: true}, lua.LString(library.name)))
	}
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoString(script); err != nil {
		return "", "", err
	}
	answer, isTable := state.Get(-1).(*lua.LTable)
	if !isTable {
		return "", "", fmt.Errorf("the health check gave no table")
	}
	return lua.LVAsString(answer.RawGetString("status")), lua.LVAsString(answer.RawGetString("message")), nil
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case float64:
		return lua.LNumber(value)
	case int64:
		return lua.LNumber(value)
	case string:
		return lua.LString(value)
	case []any:
		table := state.CreateTable(len(value), 0)
		for _, item := range value {
			table.Append(toLua(state, item))
		}
		return table
	case map[string]any:
		table := state.CreateTable(0, len(value))
		for key, item := range value {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	}
	return lua.LNil
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
