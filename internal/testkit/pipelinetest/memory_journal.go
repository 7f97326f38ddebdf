package pipelinetest

import "fhirsynapse/internal/inprocess"

// MemoryJournal is a pipeline.Journal in memory.
type MemoryJournal = inprocess.Journal

// NewMemoryJournal makes an empty journal.
func NewMemoryJournal() *MemoryJournal { return inprocess.NewJournal() }
