package config

// AuthForm is what one kind of sign-in takes, by the keys of exports.yaml.
type AuthForm struct {
	Kind               AuthKind
	Required, Optional []string
	// Secret names the secret that it needs; empty means none.
	Secret string
}

// AuthForms are the kinds of sign-in, for those who read them from elsewhere.
func AuthForms() []AuthForm {
	forms := make([]AuthForm, 0, len(authForms))
	for _, f := range authForms {
		forms = append(forms, AuthForm{Kind: f.kind, Required: f.required, Optional: f.optional, Secret: f.secret})
	}
	return forms
}
