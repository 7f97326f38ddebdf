package setup

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/sof/tsql"
)

// products names the engines as their makers do.
var products = map[tsql.Engine]string{
	tsql.SQLServer:  "SQL Server 2019 and newer, and Azure SQL Database",
	tsql.Dedicated:  "a dedicated SQL pool of Azure Synapse",
	tsql.Serverless: "the serverless SQL pool of Azure Synapse",
	tsql.Fabric:     "a warehouse of Microsoft Fabric",
}

// outside returns the requirements that SQL cannot fulfil.
func (s Setup) outside() []string {
	switch s.Engine {
	case tsql.Dedicated:
		return []string{
			"Storage Blob Data Reader on the staging container for the managed identity of the workspace: COPY INTO reads as that.",
		}
	case tsql.Serverless:
		role := "Reader"
		if s.Snapshots {
			role = "Contributor"
		}
		return []string{"Storage Blob Data " + role +
			" on the container of the published lines for the managed identity of the workspace."}
	case tsql.Fabric:
		return []string{
			"The permission Read on the warehouse for " + s.Principal +
				" and for each reader (share the warehouse): without it they cannot connect. Fabric makes their users with the first GRANT.",
			"Storage Blob Data Reader on the staging container for " + s.Principal +
				": COPY INTO reads as the caller.",
		}
	default:
		return nil
	}
}

// host returns a placeholder for the name of the server.
func (s Setup) host() string {
	switch s.Engine {
	case tsql.Dedicated:
		return "WORKSPACE.sql.azuresynapse.net"
	case tsql.Serverless:
		return "WORKSPACE-ondemand.sql.azuresynapse.net"
	case tsql.Fabric:
		return "NAME.datawarehouse.fabric.microsoft.com"
	default:
		return "HOST"
	}
}

// parts returns the databases of a script in their order.
func (s Setup) parts() []Part {
	if s.Engine == tsql.Fabric {
		return []Part{Database}
	}
	return []Part{Master, Database}
}

// Script returns the script, or one part of it, with GO between the batches, as sqlcmd reads it. An
// empty part means all.
func (s Setup) Script(part Part) (string, error) {
	if err := s.Validate(); err != nil {
		return "", err
	}
	var b strings.Builder
	s.head(&b)
	for _, p := range s.parts() {
		if part != "" && part != p {
			continue
		}
		into := s.Database
		if p == Master {
			into = "master"
		}
		fmt.Fprintf(&b, "\n-- ==== Part %s, run in the database %s ====\n", p, into)
		for _, step := range s.Steps() {
			if step.Part == p {
				b.WriteString("\n")
				comment(&b, "", step.Why)
				b.WriteString(step.Text + ";\nGO\n")
			}
		}
	}
	return b.String(), nil
}

// head writes the introduction of the whole script.
func (s Setup) head(b *strings.Builder) {
	comment(b, "", "Set-up of "+products[s.Engine]+
		" for fhirsynapse. What is there is left alone, so that the script can be run again. It contains no secret.")
	b.WriteString("--\n")
	comment(b, "  ", "loads:    "+s.Principal+", into the schema "+s.Schema)
	readers := strings.Join(s.Readers, ", ")
	if readers == "" {
		readers = "nobody yet"
	}
	comment(b, "  ", "reads:    "+readers+", by the role "+s.ReaderRole())
	b.WriteString("--\n")
	b.WriteString("-- Read it, then run it as an administrator:\n")
	for _, p := range s.parts() {
		b.WriteString("--   " + s.run(p) + "\n")
	}
	if needs := s.outside(); len(needs) > 0 {
		b.WriteString("--\n")
		comment(b, "", "Needed besides, and no SQL:")
		for _, n := range needs {
			comment(b, "  ", n)
		}
	}
}

// run returns the command line that writes a part and runs it.
func (s Setup) run(p Part) string {
	command, into, signIn := s.Command(), s.Database, "-G"
	if len(s.parts()) > 1 {
		command += " --part " + string(p)
	}
	if p == Master {
		into = "master"
	}
	if s.Login {
		signIn = "-U ADMINISTRATOR"
	}
	return fmt.Sprintf("%s | sqlcmd %s -b -S %s -d %s", command, signIn, s.host(),
		quotedForShell(into))
}

// lineWidth is the width of comment lines.
const lineWidth = 100

// comment writes a text as comment lines, each with an indent.
func comment(b *strings.Builder, indent, text string) {
	line := "--" + " " + indent
	empty := line
	for _, word := range strings.Split(text, " ") {
		if line != empty && len(line)+1+len(word) > lineWidth {
			b.WriteString(line + "\n")
			line = empty
		}
		if line != empty {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
}

// quotedForShell quotes a text for a POSIX shell if necessary.
func quotedForShell(text string) string {
	plain := !strings.ContainsFunc(text, func(r rune) bool {
		return !strings.ContainsRune(
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@/:-", r)
	})
	if plain && text != "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// Command returns the command line that writes the script of s.
func (s Setup) Command() string {
	args := []string{
		"fhirsynapse sql setup --engine", string(s.Engine), "--principal",
		quotedForShell(s.Principal),
	}
	add := func(flag, value, usual string) {
		if value != usual {
			args = append(args, "--"+flag, quotedForShell(value))
		}
	}
	add("client-id", s.ClientID, "")
	add("schema", s.Schema, DefaultSchema)
	add("database", s.Database, DefaultDatabase)
	for _, r := range s.Readers {
		add("reader", r, "")
	}
	add("published", s.Published, "")
	for _, f := range []struct {
		name string
		on   bool
	}{{"login", s.Login}, {"snapshots", s.Snapshots}, {"rebuild", s.Rebuild}, {"move", s.Move}} {
		if f.on {
			args = append(args, "--"+f.name)
		}
	}
	return strings.Join(args, " ")
}
