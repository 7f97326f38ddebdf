package doctor

import (
	"context"
	"net/url"
	"strings"
	"sync"
)

// described keeps the capability statement of a server for the checks that read it.
type described struct {
	once sync.Once
	Capability
}

func serverChecks(s Subject, plans Plans) []Check {
	var out []Check
	for _, server := range plans.Servers {
		out = append(out, checksOf(s, server)...)
	}
	return out
}

func checksOf(s Subject, server Server) []Check {
	name := func(check string) string { return "fhir-" + check + "-" + server.Name }
	what := "FHIR server " + server.Name
	var needs []string
	var out []Check
	if u, err := url.Parse(server.URL); s.Local && s.Machine != nil && err == nil &&
		loopback(u.Host) {
		needs = []string{name("reachable")}
		out = append(out, Check{
			Name: name("reachable"), What: what + " at " + u.Host, Within: short,
			Do: func(ctx context.Context) Outcome {
				return reach(ctx, *s.Machine, u.Host, "start it; make run has one of its own")
			},
		})
	}
	read := &described{}
	out = append(out,
		Check{
			Name: name("token"), What: what + ", token", Needs: needs,
			Do: func(ctx context.Context) Outcome { return signIn(ctx, server) },
		},
		Check{
			Name: name("version"), What: what + ", FHIR version", Needs: []string{name("token")},
			Do: func(ctx context.Context) Outcome { return version(ctx, server, read) },
		},
		Check{
			Name: name("clock"), What: what + ", clock", Needs: []string{name("version")},
			Do: func(context.Context) Outcome {
				return skew("the FHIR server", read.Date, read.Sent, read.Received)
			},
		},
		Check{
			Name: name("export"), What: what + ", $export", Needs: []string{name("version")},
			Do: func(ctx context.Context) Outcome { return exports(ctx, server, read) },
		})
	if s.KickOff {
		out = append(out, Check{
			Name: name("kick-off"), What: what + ", kick-off", Needs: []string{name("version")},
			Do: func(ctx context.Context) Outcome { return kickOff(ctx, server) },
		})
	}
	return out
}

func signIn(ctx context.Context, server Server) Outcome {
	signs, err := server.SignIn(ctx)
	switch {
	case err != nil:
		return broken(err)
	case !signs:
		return fine("the server asks for none")
	}
	return fine("a token was given")
}

// version reads the capability statement, which other checks read again.
func version(ctx context.Context, server Server, read *described) Outcome {
	var err error
	read.once.Do(func() { read.Capability, err = server.Describe(ctx) })
	switch {
	case err != nil:
		return broken(err)
	case !read.Found:
		return warn("check that the URL is the base of a FHIR server, without /metadata",
			"not known: the server has no capability statement")
	case !read.Supported:
		return failed("use the base URL of the server's R4 endpoint; many servers have one for each version",
			"FHIR %s, and this program reads R4 (4.0) and R4B (4.3)", read.FHIR)
	case read.FHIR == "":
		return warn("", "not known: the capability statement does not tell it")
	}
	if read.Software != "" {
		return fine("FHIR %s, %s", read.FHIR, read.Software)
	}
	return fine("FHIR %s", read.FHIR)
}

// exports reports whether the server exports, and whether our identity may.
func exports(ctx context.Context, server Server, read *described) Outcome {
	known, err := server.MayExport(ctx)
	if err != nil {
		return broken(err)
	}
	listed := "the capability statement lists it at level " + strings.Join(read.Levels, ", ")
	const dry = "try it with a job that is cancelled at once: fhirsynapse doctor --kick-off"
	switch {
	case len(read.Levels) == 0 && known:
		return fine("the server answers questions about exports, and our identity may ask")
	case len(read.Levels) == 0:
		return warn(dry, "not known: the capability statement does not list it")
	case known:
		return fine("%s, and our identity may ask for an export's status", listed)
	}
	return fine("%s; whether our identity may export shows with --kick-off", listed)
}

func kickOff(ctx context.Context, server Server) Outcome {
	asked, err := server.KickOff(ctx)
	if err != nil {
		return broken(err)
	}
	return fine("the server accepted an export of %s, which was cancelled", asked)
}
