// Package config turns the environment and exports.yaml into one checked Config.
//
// It reads once, at start, and reports every fault it finds in one error: a
// person who deploys should not have to find them one restart at a time. Each
// fault names the setting, or the file and line, and says what to write instead.
//
// It opens no connection and knows no SDK. Secrets leave it as Secret, which no
// formatting verb can print.
package config
