// Package pipelinetest holds the ports of the pipeline for tests: one suite per
// port, which is the port's real definition, in-memory ports that pass it, and a
// World in which whole exports run on a clock that the test drives.
package pipelinetest
