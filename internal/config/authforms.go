package config

// AuthForm lists the keys of one kind of sign-in in exports.yaml.
type AuthForm struct {
	Kind               AuthKind
	Required, Optional []string
	// Secret names the required secret; empty means none.
	Secret string
}

// AuthForms returns all kinds of sign-in, for other sources of settings.
func AuthForms() []AuthForm {
	forms := make([]AuthForm, 0, len(authForms))
	for _, f := range authForms {
		forms = append(forms, AuthForm{
			Kind: f.kind, Required: f.required, Optional: f.optional, Secret: f.secret,
		})
	}
	return forms
}
