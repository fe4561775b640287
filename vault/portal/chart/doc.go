// Package chart draws charts as SVG on the server, with their numbers as a table.
//
// A [Chart] has labels along its axis and one or more series of values, one for
// each label. [Chart.Bars] draws the series side by side, [Chart.Stacked] on top of
// each other, [Chart.Lines] as lines, [Chart.Rows] a single one with room for long
// names; [Chart.Table] writes the numbers. All text of
// a chart is data and is escaped. The markup has no style attributes, no scripts
// and no ids but those made of Chart.ID, so that it fits a page with a strict
// Content-Security-Policy. Colours come from the page's stylesheet, by the classes
// chart-1 to chart-6 of shapes and chart-grid, chart-axis and chart-text.
//
// A reader that cannot see it gets the title and the summary, and the table.
package chart
