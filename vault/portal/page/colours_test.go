package page_test

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// luminance is that of WCAG 2.2 for a colour such as #0b7a70.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	rgb, err := strconv.ParseUint(strings.TrimPrefix(colour, "#"), 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	part := func(shift uint) float64 {
		c := float64(rgb>>shift&255) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}

// TestChartColours: each colour of a chart stands out from the ground, three to one, in
// light and in dark.
func TestChartColours(t *testing.T) {
	css, err := os.ReadFile("static/page.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, found := strings.Cut(string(css[strings.Index(string(css), "/* Charts"):]), "@media")
	if !found {
		t.Fatal("the charts have no colours for the dark")
	}
	dark, _, _ = strings.Cut(dark, "\n}")
	for look, ground := range map[string]string{light: "#ffffff", dark: "#1a2229"} {
		all := regexp.MustCompile(`\.chart-[1-6] \{ fill: (#[0-9a-f]{6});`).FindAllStringSubmatch(look, -1)
		if len(all) < 5 {
			t.Fatalf("%d colours on %s", len(all), ground)
		}
		for _, m := range all {
			a, b := luminance(t, m[1]), luminance(t, ground)
			if contrast := (max(a, b) + 0.05) / (min(a, b) + 0.05); contrast < 3 {
				t.Errorf("%s stands out from %s by %.2f to 1", m[1], ground, contrast)
			}
		}
	}
}
