// Package pipelinetest holds the ports of the pipeline for tests: one suite per port, which is the
// port's real definition, and in-memory ports that pass it.
package pipelinetest
