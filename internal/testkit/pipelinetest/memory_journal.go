package pipelinetest

import "fhirsynapse/internal/batch/memory"

// MemoryJournal is a pipeline.Journal in memory.
type MemoryJournal = memory.Journal

// NewMemoryJournal makes an empty journal.
func NewMemoryJournal() *MemoryJournal { return memory.NewJournal() }
