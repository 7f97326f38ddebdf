// Package setup generates the T-SQL that prepares a database for fhirsynapse, and reports missing
// parts.
//
// A database administrator reads the script and runs it once for each schema:
//
//	fhirsynapse sql setup --engine sqlserver --principal my-function |
//	  sqlcmd -G -b -S HOST -d fhir
//
// The script creates the user, the schema, the role for readers and the objects that only an
// administrator may create. It grants exactly the rights for the statements of packages mssql and
// serverless; a test compares the two. Every step skips existing objects, so the script can be run
// again. It contains no secret.
package setup

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"fhirsynapse/internal/sof/tsql"
)

// Setup describes a script: one identity that loads into one schema.
type Setup struct {
	Engine tsql.Engine
	// Principal is the name of the identity in Entra ID: of the function app, for example.
	Principal string
	// ClientID creates the user from this client id, so that the server does not look up the name
	// in Entra ID. Only Azure SQL Database supports it.
	ClientID string
	// Login creates users for the server's logins of these names. Only SQL Server has logins.
	Login bool
	// Schema is the schema of the plan.
	Schema string
	// Database is the name of the database, pool or warehouse.
	Database string
	// Readers are identities that may read the tables.
	Readers []string
	// Published is the container of the lines that the serverless pool reads, as
	// https://ACCOUNT.dfs.core.windows.net/CONTAINER.
	Published string
	// Snapshots grants the rights for the parameter snapshot of a serverless warehouse.
	Snapshots bool
	// Rebuild grants the rights for fhirsynapse load --rebuild on SQL Server.
	Rebuild bool
	// Move grants the right to move the tables of an older version to the schema of the loader.
	Move bool
}

// The defaults of the command line.
const (
	DefaultSchema   = "fhir"
	DefaultDatabase = "fhir"
)

// longestName is the length of a T-SQL identifier in characters.
const longestName = 128

var (
	// exports.yaml has the same rule for a plan's schema.
	schemaName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,62}$`)
	guid       = regexp.MustCompile(
		`^([0-9A-Fa-f]{8})-([0-9A-Fa-f]{4})-([0-9A-Fa-f]{4})-([0-9A-Fa-f]{4})-([0-9A-Fa-f]{12})$`)
	// reserved are principals and schemas of every database.
	reserved = []string{"dbo", "guest", "public", "sys", "information_schema"}
)

// FaultError reports an invalid Setup, as opposed to a failure of the server.
type FaultError struct {
	// Err joins one error for each fault.
	Err error
}

func (e FaultError) Error() string { return e.Err.Error() }
func (e FaultError) Unwrap() error { return e.Err }

// Validate returns a FaultError with all faults of s and their remedies, or nil.
func (s Setup) Validate() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf(format, args...))
	}
	if s.Principal == "" {
		fault("--principal is missing: give the name of the function app's identity as Entra ID shows it")
	} else if reason := badPrincipal(s.Principal); reason != "" {
		fault("--principal %q %s", s.Principal, reason)
	}
	seen := []string{s.Principal}
	for _, r := range s.Readers {
		if reason := badPrincipal(r); reason != "" {
			fault("--reader %q %s", r, reason)
		} else if slices.ContainsFunc(seen, func(name string) bool {
			return strings.EqualFold(name, r)
		}) {
			fault("--reader %q is named twice: the principal that loads can read already, and a reader is given once", r)
		}
		seen = append(seen, r)
	}
	if !schemaName.MatchString(s.Schema) ||
		slices.Contains(reserved[1:], strings.ToLower(s.Schema)) ||
		strings.HasPrefix(strings.ToLower(s.Schema), "db_") {
		fault("--schema %q is no name of a plan's schema: it has letters, digits and underscores, starts with a letter, has at most 63 characters and does not belong to the database; write the schema of the plan in exports.yaml", s.Schema)
	}
	if reason := badName(s.Database); reason != "" {
		fault("--database %q %s", s.Database, reason)
	} else if strings.EqualFold(s.Database, "master") {
		fault("--database master belongs to the server: give the database that the setting Warehouse names")
	}
	if faults = append(faults, s.options()...); len(faults) > 0 {
		return FaultError{errors.Join(faults...)}
	}
	return nil
}

// options returns the faults of engine-specific options.
func (s Setup) options() []error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf(format, args...))
	}
	if s.ClientID != "" && s.Engine != tsql.SQLServer {
		fault("--client-id has a meaning with --engine sqlserver only: leave it out, and run the script as a user who may read Entra ID")
	} else if s.ClientID != "" && !guid.MatchString(s.ClientID) {
		fault("--client-id %q is no client id: it looks like 01234567-89ab-cdef-0123-456789abcdef",
			s.ClientID)
	}
	if s.Login && s.Engine != tsql.SQLServer {
		fault("--login has a meaning with --engine sqlserver only: leave it out")
	} else if s.Login && s.ClientID != "" {
		fault("--login and --client-id: choose one")
	}
	if s.Rebuild && s.Engine != tsql.SQLServer {
		fault("--rebuild has a meaning with --engine sqlserver only: the other engines need no further right for it, leave it out")
	}
	if s.Move && s.Engine == tsql.Serverless {
		fault("--move has no meaning with --engine synapse-serverless, which has no tables: leave it out")
	}
	if s.Snapshots && s.Engine != tsql.Serverless {
		fault("--snapshots has a meaning with --engine synapse-serverless only: leave it out")
	}
	switch {
	case s.Engine != tsql.Serverless && s.Published != "":
		fault("--published has a meaning with --engine synapse-serverless only: leave it out")
	case s.Engine == tsql.Serverless && s.Published == "":
		fault("--published is missing: give the container of the setting PublishedContainer as https://ACCOUNT.dfs.core.windows.net/CONTAINER")
	case s.Engine == tsql.Serverless && !isContainer(s.Published):
		fault("--published %q is no container: write https://ACCOUNT.dfs.core.windows.net/CONTAINER, without a query", s.Published)
	}
	return faults
}

// badPrincipal returns why a name is not valid for a new principal, or "".
func badPrincipal(name string) string {
	if slices.Contains(reserved, strings.ToLower(name)) ||
		strings.HasPrefix(strings.ToLower(name), "db_") || strings.HasPrefix(name, "##") {
		return "belongs to the database: give the name of an identity"
	}
	return badName(name)
}

// badName returns why a name is not valid in a script, or "".
func badName(name string) string {
	switch {
	case name == "":
		return "is empty: give a name"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029
	}):
		return "has a control character: write the name as Entra ID or the server shows it"
	case strings.TrimSpace(name) != name:
		return "begins or ends with a space: take it away"
	case utf8.RuneCountInString(name) > longestName:
		return fmt.Sprintf("is longer than %d characters: rename the identity", longestName)
	case strings.Contains(name, "$("):
		return "contains $(, which sqlcmd takes for a variable: rename it"
	}
	return ""
}

// isContainer reports whether an address is a container at the data lake endpoint.
func isContainer(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		u.Port() != "" {
		return false
	}
	container := strings.Trim(u.Path, "/")
	return strings.Contains(u.Host, ".dfs.") && container != "" &&
		!strings.ContainsAny(container, "/'$ ") && !strings.ContainsAny(u.Host, "'$ ")
}

// sid returns the security id of an application's user: the bytes of its client id in SQL Server's
// order for uniqueidentifier.
func sid(clientID string) string {
	parts := guid.FindStringSubmatch(clientID)[1:]
	var id []byte
	for i, part := range parts {
		b, _ := hex.DecodeString(part) // the pattern allows hexadecimal digits only
		if i < 3 {
			slices.Reverse(b)
		}
		id = append(id, b...)
	}
	return fmt.Sprintf("0x%X", id)
}

// ReaderRole returns the name of the readers' role.
func (s Setup) ReaderRole() string { return s.Schema + "_reader" }

func (s Setup) literal(text string) string { return tsql.Literal(text, s.Engine) }
