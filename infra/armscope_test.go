package infra_test

import (
	"fmt"
	"strings"
)

const (
	subscriptionID = "00000000-1111-2222-3333-444444444444"
	tenantID       = "00000000-aaaa-bbbb-cccc-dddddddddddd"
	deployerID     = "00000000-5555-6666-7777-888888888888"
)

// scope is the context of an expression: a deployment, loop positions, the variables of a lambda.
type scope struct {
	d         *deployment
	index     map[string]int
	variables map[string]any
}

// value evaluates a value of a template. A text in brackets is an expression.
func (s scope) value(v any) (any, error) {
	switch v := v.(type) {
	case string:
		if !strings.HasPrefix(v, "[") || !strings.HasSuffix(v, "]") {
			return v, nil
		}
		if strings.HasPrefix(v, "[[") {
			return v[1:], nil
		}
		n, err := parseExpression(v[1 : len(v)-1])
		if err != nil {
			return nil, err
		}
		return s.eval(n)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = s.value(v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		return s.object(v)
	default:
		return v, nil
	}
}

// object evaluates a map; its loops become lists.
func (s scope) object(m map[string]any) (any, error) {
	out := map[string]any{}
	for k, v := range m {
		if loops, ok := v.([]any); ok && k == "copy" {
			if err := s.loops(loops, out); err != nil {
				return nil, err
			}
			continue
		}
		key, err := s.value(k)
		if err != nil {
			return nil, err
		}
		if out[text(key)], err = s.value(v); err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
	}
	return out, nil
}

func (s scope) loops(loops []any, out map[string]any) error {
	for _, l := range loops {
		loop := l.(map[string]any)
		count, err := s.value(loop["count"])
		if err != nil {
			return err
		}
		var all []any
		for i := range int(count.(float64)) {
			inner := s
			inner.index = map[string]int{"": s.index[""], text(loop["name"]): i}
			v, err := inner.value(loop["input"])
			if err != nil {
				return err
			}
			all = append(all, v)
		}
		out[text(loop["name"])] = all
	}
	return nil
}

func (s scope) eval(n node) (any, error) {
	switch n := n.(type) {
	case literal:
		return n.value, nil
	case member:
		of, err := s.eval(n.of)
		if err != nil {
			return nil, err
		}
		key, err := s.eval(n.key)
		if err != nil {
			return nil, err
		}
		return property(of, key)
	case call:
		return s.call(n)
	}
	return nil, fmt.Errorf("no expression: %v", n)
}

func property(of, key any) (any, error) {
	switch of := of.(type) {
	case unknown:
		return of + unknown("."+text(key)), nil
	case []any:
		i, ok := key.(float64)
		if !ok || int(i) >= len(of) {
			return nil, fmt.Errorf("no element %v in a list of %d", key, len(of))
		}
		return of[int(i)], nil
	case map[string]any:
		v, ok := of[text(key)]
		if !ok {
			return nil, fmt.Errorf("no property %v", key)
		}
		return v, nil
	}
	return nil, fmt.Errorf("%T has no property %v", of, key)
}

// call evaluates a call. Lazy functions evaluate their arguments themselves.
func (s scope) call(n call) (any, error) {
	switch n.name {
	case "if":
		wanted, err := s.eval(n.args[0])
		if err != nil {
			return nil, err
		}
		if isTrue(wanted) {
			return s.eval(n.args[1])
		}
		return s.eval(n.args[2])
	case "and", "or":
		for _, a := range n.args {
			v, err := s.eval(a)
			if err != nil || isTrue(v) == (n.name == "or") {
				return v, err
			}
		}
		return n.name == "and", nil
	case "lambda":
		return n, nil
	}
	args := make([]any, len(n.args))
	for i := range n.args {
		var err error
		if args[i], err = s.eval(n.args[i]); err != nil {
			return nil, err
		}
	}
	if f, ok := pure[n.name]; ok {
		return f(args)
	}
	return s.environment(n.name, args)
}

// environment are the functions that depend on the deployment.
func (s scope) environment(name string, args []any) (any, error) {
	switch name {
	case "parameters":
		return s.parameter(text(args[0]))
	case "variables":
		return scope{d: s.d}.value(s.d.template.Variables[text(args[0])])
	case "lambdaVariables":
		return s.variables[text(args[0])], nil
	case "copyIndex":
		key := ""
		if len(args) > 0 {
			key = text(args[0])
		}
		return float64(s.index[key]), nil
	case "map", "filter":
		return s.over(name, list(args[0]), args[1].(call))
	case "tryGet":
		v, err := property(args[0], args[1])
		if err != nil {
			v = nil
		}
		return v, nil
	case "reference":
		return s.reference(text(args[0]))
	case "resourceId", "subscriptionResourceId":
		return s.id(name == "subscriptionResourceId", args), nil
	case "subscription":
		return map[string]any{
			"id":             "/subscriptions/" + s.d.place.subscription,
			"subscriptionId": s.d.place.subscription,
		}, nil
	case "resourceGroup":
		g := s.d.place
		return map[string]any{
			"id":   "/subscriptions/" + g.subscription + "/resourceGroups/" + g.group,
			"name": g.group,
		}, nil
	case "tenant":
		return map[string]any{"tenantId": tenantID}, nil
	case "deployer":
		return map[string]any{
			"objectId": deployerID, "userPrincipalName": "someone@example.org",
		}, nil
	case "environment":
		return map[string]any{
			"suffixes": map[string]any{
				"storage": "core.windows.net", "sqlServerHostname": ".database.windows.net",
			},
			"authentication": map[string]any{"loginEndpoint": "https://login.microsoftonline.com/"},
		}, nil
	}
	return nil, fmt.Errorf("function %s is not known here", name)
}

func (s scope) parameter(name string) (any, error) {
	if v, ok := s.d.parameters[name]; ok {
		return v, nil
	}
	p, ok := s.d.template.Parameters[name]
	if !ok {
		return nil, fmt.Errorf("no parameter %s", name)
	}
	return scope{d: s.d}.value(p.DefaultValue)
}

func (s scope) over(name string, items []any, lambda call) (any, error) {
	out := []any{}
	for _, item := range items {
		inner := s
		inner.variables = map[string]any{text(lambda.args[0].(literal).value): item}
		v, err := inner.eval(lambda.args[1])
		if err != nil {
			return nil, err
		}
		if name == "map" {
			out = append(out, v)
		} else if isTrue(v) {
			out = append(out, item)
		}
	}
	return out, nil
}

// id returns the id of a resource from its type and names. A subscription and a group may precede
// the type.
func (s scope) id(ofSubscription bool, args []any) string {
	at := 0
	for !strings.Contains(text(args[at]), "/") {
		at++
	}
	p := s.d.place
	for _, before := range args[:at] {
		if len(text(before)) == len(subscriptionID) {
			p.subscription = text(before)
		} else {
			p.group = text(before)
		}
	}
	id := "/subscriptions/" + p.subscription
	if !ofSubscription {
		id += "/resourceGroups/" + p.group
	}
	parts := strings.Split(text(args[at]), "/")
	id += "/providers/" + parts[0]
	for i, part := range parts[1:] {
		id += "/" + part + "/" + text(args[at+1+i])
	}
	return id
}

// reference returns the properties of a deployed resource.
func (s scope) reference(name string) (any, error) {
	body, ok := s.d.template.Resources[name]
	if ok && body["type"] == "Microsoft.Resources/deployments" {
		m, err := s.d.module(name)
		if err != nil {
			return nil, err
		}
		outputs := map[string]any{}
		for o := range m.template.Outputs {
			v, err := m.output(o)
			if err != nil {
				return nil, fmt.Errorf("output %s: %w", o, err)
			}
			outputs[o] = map[string]any{"value": v}
		}
		return map[string]any{"outputs": outputs}, nil
	}
	kind, named := name, name[strings.LastIndexByte(name, '/')+1:]
	if ok {
		v, err := s.value(body["name"])
		if err != nil {
			return nil, err
		}
		kind, named = text(body["type"]), text(v)
	}
	switch {
	case strings.Contains(kind, "storageAccounts"):
		return map[string]any{
			"primaryEndpoints": map[string]any{"blob": "https://" + named +
				".blob.core.windows.net/"},
		}, nil
	case strings.Contains(kind, "userAssignedIdentities"):
		return map[string]any{
			"clientId": "client-of-" + named, "principalId": "identity of " + named,
		}, nil
	case strings.Contains(kind, "Microsoft.Insights/components"):
		return map[string]any{"ConnectionString": "InstrumentationKey=" + secretMark}, nil
	}
	// A service with its own identity, with all properties.
	return map[string]any{"identity": map[string]any{"principalId": "identity of " + named}}, nil
}

// secretMark is in every value that must not leave the template.
const secretMark = "a-key-of-telemetry"
