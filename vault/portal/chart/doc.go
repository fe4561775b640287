// Package chart draws charts as SVG on the server, with their numbers as a table.
package chart
