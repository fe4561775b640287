package page

import "html/template"

// drawing is a chart as it is drawn.
type drawing struct {
	SVG, Table template.HTML
}

func (w *words) draw(ConsoleChart) (drawing, error) { return drawing{}, nil }
