package infra_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// template is a compiled Bicep file.
type template struct {
	Parameters map[string]struct {
		DefaultValue  any   `json:"defaultValue"`
		AllowedValues []any `json:"allowedValues"`
		Metadata      struct {
			Description string `json:"description"`
		} `json:"metadata"`
	} `json:"parameters"`
	Variables map[string]any `json:"variables"`
	Resources resources      `json:"resources"`
	Outputs   map[string]struct {
		Value any `json:"value"`
	} `json:"outputs"`
}

// resources are a map by symbolic name, or a list if the file defines no types.
type resources map[string]map[string]any

// UnmarshalJSON names the resources of a list by their numbers.
func (r *resources) UnmarshalJSON(data []byte) error {
	var list []map[string]any
	if err := json.Unmarshal(data, &list); err != nil {
		var byName map[string]map[string]any
		if err := json.Unmarshal(data, &byName); err != nil {
			return err
		}
		*r = byName
		return nil
	}
	*r = resources{}
	for i, body := range list {
		(*r)[fmt.Sprintf("#%02d", i)] = body
	}
	return nil
}

// resource is one resource of a deployment with evaluated properties.
type resource struct {
	Type, Name string
	// Group is the resource group.
	Group string
	// Scope is the id of the resource of a role assignment or a setting.
	Scope string
	Body  map[string]any
}

// at returns the value under a path of names, or nil.
func (r resource) at(path ...string) any {
	var v any = r.Body
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// place is the subscription and resource group of a deployment.
type place struct{ subscription, group string }

// deployment evaluates a template for given parameters, as Azure does before it calls any service.
type deployment struct {
	template   template
	parameters map[string]any
	place      place
	// found are the resources of this deployment and of the nested ones.
	found *[]resource
	// made are the resources of this deployment only.
	made []resource
	// modules are the nested deployments by symbolic name; nil during evaluation.
	modules map[string]*deployment
	// order has the symbolic names on which a nested deployment depends.
	order map[string][]string
}

// deploy evaluates all resources of a template.
func deploy(t template, parameters map[string]any) (*deployment, error) {
	d := &deployment{
		template: t, parameters: parameters, place: place{subscription: subscriptionID},
		found: &[]resource{},
	}
	return d, d.run()
}

func (d *deployment) run() error {
	d.modules, d.order = map[string]*deployment{}, map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(d.template.Resources)) {
		body := d.template.Resources[name]
		if isTrue(body["existing"]) {
			continue
		}
		if err := d.each(name, body); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return d.readsNothingOfItsOwn()
}

// readsNothingOfItsOwn reports a resource that a template both creates and reads as existing. Azure
// may read it before it exists.
func (d *deployment) readsNothingOfItsOwn() error {
	for name, body := range d.template.Resources {
		if !isTrue(body["existing"]) {
			continue
		}
		id, err := scope{d: d}.value(body["name"])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if slices.ContainsFunc(d.made, func(r resource) bool {
			return r.Type == body["type"] && r.Name == id
		}) {
			return fmt.Errorf("%s: %v is taken as existing, and made by the same template", name,
				id)
		}
	}
	return nil
}

// each evaluates a resource once per turn of its loop.
func (d *deployment) each(name string, body map[string]any) error {
	loop, ok := body["copy"].(map[string]any)
	if !ok {
		return d.one(name, body, scope{d: d})
	}
	count, err := scope{d: d}.value(loop["count"])
	if err != nil {
		return err
	}
	for i := range int(count.(float64)) {
		if err := d.one(name, body, scope{d: d, index: map[string]int{"": i}}); err != nil {
			return err
		}
	}
	return nil
}

func (d *deployment) one(name string, body map[string]any, s scope) error {
	if wanted, err := s.value(body["condition"]); err != nil || wanted == false {
		return err
	}
	if body["type"] == "Microsoft.Resources/deployments" {
		_, err := d.module(name)
		return err
	}
	without := maps.Clone(body)
	delete(without, "copy")
	delete(without, "dependsOn")
	values, err := s.value(without)
	if err != nil {
		return err
	}
	m := values.(map[string]any)
	r := resource{
		Type: text(m["type"]), Name: text(m["name"]), Group: d.place.group, Scope: text(m["scope"]),
		Body: m,
	}
	d.made = append(d.made, r)
	*d.found = append(*d.found, r)
	return nil
}

var errNotDeployed = errors.New("refers to a module that is not deployed")

// module evaluates a nested deployment once.
func (d *deployment) module(name string) (*deployment, error) {
	if m, ok := d.modules[name]; ok {
		if m == nil {
			return nil, fmt.Errorf("module %s refers to itself", name)
		}
		return m, nil
	}
	body, s := d.template.Resources[name], scope{d: d}
	if wanted, err := s.value(body["condition"]); err != nil || wanted == false {
		return nil, errors.Join(err, fmt.Errorf("%s: %w", name, errNotDeployed))
	}
	d.modules[name] = nil
	inner := &deployment{found: d.found, place: d.place, parameters: map[string]any{}}
	properties := body["properties"].(map[string]any)
	data, err := json.Marshal(properties["template"])
	if err == nil {
		err = json.Unmarshal(data, &inner.template)
	}
	if err != nil {
		return nil, err
	}
	for key, into := range map[string]*string{
		"resourceGroup": &inner.place.group, "subscriptionId": &inner.place.subscription,
	} {
		v, err := s.value(body[key])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		if v != nil {
			*into = text(v)
		}
	}
	given, _ := properties["parameters"].(map[string]any)
	for key, v := range given {
		one, err := s.value(v)
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", key, err)
		}
		inner.parameters[key] = one.(map[string]any)["value"]
	}
	if err := inner.run(); err != nil {
		return nil, err
	}
	after, _ := body["dependsOn"].([]any)
	for _, a := range after {
		d.order[name] = append(d.order[name], text(a))
	}
	d.modules[name] = inner
	return inner, nil
}

// output evaluates one output.
func (d *deployment) output(name string) (any, error) {
	o, ok := d.template.Outputs[name]
	if !ok {
		return nil, fmt.Errorf("no output %s", name)
	}
	return scope{d: d}.value(o.Value)
}

// all returns the resources of a type.
func (d *deployment) all(kind string) []resource {
	var out []resource
	for _, r := range *d.found {
		if r.Type == kind {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b resource) int { return strings.Compare(a.Name, b.Name) })
	return out
}
