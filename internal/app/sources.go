package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/bulkfhir/auth"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// sources makes the FHIR servers of all plans. Plans of one source share a client and its knowledge
// of the server; only a plan that names patients has its own client.
func (a *App) sources(
	exports config.Exports, of cohorts,
) (func(plan string) (pipeline.Source, error), error) {
	made := map[string]pipeline.Source{}
	var faults []error
	for name, s := range exports.Sources {
		o, err := a.sourceOptions(s)
		if err != nil {
			faults = append(faults, fmt.Errorf("source %s: %w", name, err))
			continue
		}
		shared, err := bulkfhir.New(o)
		if err != nil {
			faults = append(faults, fmt.Errorf("source %s: %w", name, err))
			continue
		}
		for plan, source := range exports.SourceOf {
			if source != name {
				continue
			}
			made[plan] = shared
			if server := of.shares(plan, shared.Server, o); server != shared.Server {
				with := shared
				with.Server = server
				made[plan] = with
			}
			if patients := exports.PatientsOf[plan]; len(patients) > 0 {
				o.Patients = patients
				if made[plan], err = bulkfhir.New(o); err != nil {
					faults = append(faults, fmt.Errorf("source %s, plan %s: %w", name, plan, err))
				}
			}
		}
	}
	return func(plan string) (pipeline.Source, error) {
		source, ok := made[plan]
		if !ok {
			return pipeline.Source{}, unknownPlan(plan)
		}
		return source, nil
	}, errors.Join(faults...)
}

// landing returns a function that finds the path of a URL in the landing area. The diagnosis has no
// lake if the settings name none.
func landing(lake *azure.Lake) func(url string) (path string, ok bool) {
	if lake == nil {
		return func(string) (string, bool) { return "", false }
	}
	return lake.Landing
}

func (a *App) sourceOptions(s config.Source) (bulkfhir.Options, error) {
	o := bulkfhir.Options{
		Dialect: s.Dialect, BaseURL: s.URL, Lenient: s.Lenient, ReferenceBase: s.ReferenceBase,
		MaxCount: s.MaxCount, Parallel: s.IsParallel,
		Method: s.Method, Until: s.Until, FileToken: s.FileToken, AllowPrivate: s.PrivateFiles,
		Downloads: s.Downloads, StatusHosts: s.StatusHosts,
		LineLimit: a.config.LineLimit, Landing: landing(a.lake), Now: a.now,
	}
	if s.Dialect == config.DialectAzure {
		o.Container = a.config.LandingContainer
	}
	var err error
	o.Token, o.Renew, err = a.signIn(s)
	return o, err
}

type (
	tokenFunc func(context.Context) (string, error)
	renewFunc func(ctx context.Context, refused string) (string, error)
)

// signIn returns functions that get and replace the bearer tokens of a source; both are nil if the
// source needs none.
func (a *App) signIn(s config.Source) (tokenFunc, renewFunc, error) {
	secret, err := a.secret(s.Auth)
	if err != nil {
		return nil, nil, err
	}
	s.Auth.Secret = secret
	return SignIn(s.URL, s.Auth, s.PrivateFiles, a.now)
}

// SignIn returns functions that get a bearer token for the FHIR server at base, and that replace a
// refused token; both are nil when the server needs none. It reads the secret of s, not its file;
// allowPrivate permits a sign-in server at a private address.
func SignIn(
	base string, s config.Auth, allowPrivate bool, now func() time.Time,
) (tokenFunc, renewFunc, error) {
	client := auth.Client{
		BaseURL: base, TokenURL: s.TokenURL, ClientID: s.ClientID, Scope: s.Scope, Now: now,
		HTTP: bulkfhir.Guarded(allowPrivate, now, base, s.TokenURL),
	}
	var tokens *auth.Tokens
	var err error
	switch s.Kind {
	case config.AuthNone:
		return nil, nil, nil
	case config.AuthManagedIdentity, config.AuthWorkloadIdentity, config.AuthClientCredential:
		token, err := azure.FHIRToken(azure.Identity{
			Kind: identityKind(s.Kind), BaseURL: s.Audience, Scope: s.Scope,
			ClientID: s.ClientID, TenantID: s.TenantID, Secret: s.Secret.Reveal(),
		})
		return token, nil, err
	case config.AuthSMART:
		key, keyErr := auth.ParseKey([]byte(s.Secret.Reveal()), s.KeyID)
		if keyErr != nil {
			return nil, nil, keyErr
		}
		tokens, err = auth.SMART(client, key)
	case config.AuthClientSecret:
		tokens, err = auth.ClientSecret(client, s.Secret.Reveal())
	case config.AuthBearer:
		tokens = auth.Static(s.Secret.Reveal())
	default:
		return nil, nil, fault.Permanentf("auth: unknown kind %q", string(s.Kind))
	}
	if err != nil {
		return nil, nil, err
	}
	return tokens.Token, tokens.Renew, nil
}

func identityKind(kind config.AuthKind) azure.IdentityKind {
	switch kind {
	case config.AuthWorkloadIdentity:
		return azure.WorkloadIdentity
	case config.AuthClientCredential:
		return azure.ClientCredential
	default:
		return azure.ManagedIdentity
	}
}

// secret reads the secret from its file. Without a file it returns the secret of the settings.
func (a *App) secret(s config.Auth) (config.Secret, error) {
	if s.SecretFile == "" {
		return s.Secret, nil
	}
	data, err := a.read(s.SecretFile)
	if err != nil {
		return config.Secret{}, &fault.Error{
			Class: fault.Permanent, Whose: fault.OurSetting,
			Err: fmt.Errorf("auth: read the secret: %w", err),
		}
	}
	text := strings.TrimSpace(string(data))
	if text == "" {
		return config.Secret{}, &fault.Error{
			Class: fault.Permanent, Whose: fault.OurSetting,
			Err: fmt.Errorf("auth: the file %s is empty", s.SecretFile),
		}
	}
	return config.NewSecret(text), nil
}
