package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
)

// AssetPath is the folder that pages load their static files from.
const AssetPath = "/portal/"

// CSP is the Content-Security-Policy of every page but the consent form. It lets a
// page load the static files of its own server and post to it, and nothing else.
// (Pico's stylesheet holds its few icons as data.)
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// EmbedCSP is the policy of [ConsentForm] and [ConsentReceipt]: that of the other
// pages, but pages of these origins may hold them in a frame. Without an origin
// nobody may. An origin is a scheme, a host and if need be a port; one that is
// anything else is an error, for it could end the policy or widen it.
func EmbedCSP(origins []string) (string, error) {
	policy, _ := strings.CutSuffix(CSP, "'none'")
	if len(origins) == 0 {
		return CSP, nil
	}
	for _, o := range origins {
		host, ok := strings.CutPrefix(o, "https://")
		if !ok {
			host, ok = strings.CutPrefix(o, "http://")
		}
		if !ok || host == "" || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") != "" {
			return "", fmt.Errorf("an origin that may hold the consent form must read https://host: it has %d bytes", len(o))
		}
	}
	return policy + strings.Join(origins, " "), nil
}

// Pico CSS 2.1.1 (MIT): one file of the npm package @picocss/pico, as it is, with
// its licence. All else is ours.
//
//go:embed static
var staticFiles embed.FS

// An Asset is a static file. Its path changes with its content, so that it may be
// kept for ever (Cache-Control: public, max-age=31536000, immutable).
type Asset struct {
	Path string // of the URL, as in /portal/page.0123456789abcdef.css
	Type string // Content-Type
	Body []byte
}

// readAssets returns the static files by the names they have here.
func readAssets() (map[string]Asset, error) {
	files, err := staticFiles.ReadDir("static")
	if err != nil {
		return nil, err
	}
	all := map[string]Asset{}
	for _, f := range files {
		b, err := staticFiles.ReadFile(path.Join("static", f.Name()))
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		ext := path.Ext(f.Name())
		all[f.Name()] = Asset{
			Path: AssetPath + strings.TrimSuffix(f.Name(), ext) + "." + hex.EncodeToString(sum[:8]) + ext,
			Type: mediaType(ext),
			Body: b,
		}
	}
	return all, nil
}

func mediaType(ext string) string {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return "text/plain; charset=utf-8"
	}
}
