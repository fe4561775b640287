//go:build e2e

package pacetest

const tagged = true
