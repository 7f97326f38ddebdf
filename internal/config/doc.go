// Package config turns the environment and exports.yaml into one checked Config.
//
// It reads once, at start, and reports all faults in one error, so that one restart is enough to
// find them. Each fault names the setting, or the file and line, and the correction.
//
// It opens no connection and uses no SDK. Secrets are returned as Secret, which no formatting verb
// prints.
package config
