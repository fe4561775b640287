// Package httpapi serves a vault over HTTP.
package httpapi
