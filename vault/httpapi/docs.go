package httpapi

import (
	"embed"
	"net/http"
	"path"
)

// Swagger UI 5.35.0 (Apache-2.0): two files of the npm package swagger-ui-dist, as
// they are, with their licences, and the page and its start by us.
//
//go:embed docs
var docsFiles embed.FS

// docsPolicy lets the page run its own scripts and nothing else, and talk to
// nobody but this service.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docs adds the files that the page at /docs loads. They are no part of the API.
func (s *service) docs() {
	for name, media := range map[string]string{
		"swagger-ui-bundle.js": "text/javascript; charset=utf-8", "swagger-ui.css": "text/css; charset=utf-8",
		"init.js": "text/javascript; charset=utf-8", "page.css": "text/css; charset=utf-8",
		"LICENSE-swagger-ui.txt": "text/plain; charset=utf-8", "LICENSE-bundle.txt": "text/plain; charset=utf-8",
	} {
		s.mux.Method(http.MethodGet, "/docs/"+name, s.handler(&route{
			method: http.MethodGet, path: "/docs/" + name, public: true, probe: true,
			serve: func(x *exchange) (answer, error) { return x.file(name, media) },
		}))
	}
}

func (x *exchange) docsPage() (answer, error) { return x.file("index.html", mediaHTML) }

// file answers one embedded file.
func (x *exchange) file(name, media string) (answer, error) {
	b, err := docsFiles.ReadFile(path.Join("docs", name))
	h := x.w.Header()
	h.Set("Content-Security-Policy", docsPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	return answer{status: http.StatusOK, media: media, body: b, cacheable: true}, err
}
