package cohort

import (
	"context"
	"errors"
	"time"
)

// Server is a FHIR server that searches and keeps Groups. Its errors are classified.
type Server interface {
	// Search calls each for every resource that the search finds, through all pages. It fails if
	// the server ignores a criterion, or if a page is missing.
	Search(ctx context.Context, s Search, each func(Entry) error) error
	// Group reads a Group; ErrNoGroup if there is none.
	Group(ctx context.Context, id string) (Group, error)
	// PutGroup writes a Group over the version that g.Version names, or makes it if that is empty,
	// and returns the new version. ErrChanged reports another version at the server.
	PutGroup(ctx context.Context, g Group) (version string, err error)
}

var (
	// ErrNoGroup reports a Group that does not exist, or was deleted.
	ErrNoGroup = errors.New("there is no such Group")
	// ErrChanged reports a Group that has another version than expected.
	ErrChanged = errors.New("the Group has another version")
	// ErrReadOnly reports a server that lets us write no Group.
	ErrReadOnly = errors.New("the server does not let us write Groups")
)

// Search is a FHIR search on one type.
type Search struct {
	// Text is Type?name=value&..., encoded.
	Text string
	Type string
	// Names lists the criteria that the server must not ignore.
	Names []string
	// Element has the reference to the patient; empty for a search on Patient.
	Element string
}

// Entry is one resource that a search has found.
type Entry struct {
	Type, ID string
	// Patient is the reference in Search.Element, as the server writes it.
	Patient string
	// InError is set for a resource that was entered in error.
	InError bool
	// At is the time that an Observation is about; zero if it has none.
	At          time.Time
	LastUpdated time.Time
}

// Group is a Group of patients.
type Group struct {
	ID, Version string
	// Identifier is the value of our identifier; empty for a Group of others.
	Identifier string
	// Members are the ids of the patients, as listed. Groups are the ids of the Groups among the
	// members.
	Members, Groups []string
	// Others counts members that are not active patients of this server. Dated counts members with
	// a period, which our own Groups do not have; a member outside its period is one of Others.
	Others, Dated int
}

// IdentifierSystem is the system of the identifier of our Groups.
const IdentifierSystem = "urn:fhirsynapse:cohort"
