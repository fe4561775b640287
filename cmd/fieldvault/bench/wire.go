package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// patience bounds one request: what does not answer by then ends the run.
const patience = time.Minute

// A Server is where requests go: an address, and the headers of each.
type Server struct {
	host    string // of the header
	address string
	tls     *tls.Config // nil: plain HTTP
	headers string      // each with its line end
}

// NewServer is the server at a URL, with headers as "Name: value".
func NewServer(base string, headers ...string) (*Server, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the address is no http(s) URL")
	}
	s := &Server{host: u.Host, address: u.Host}
	if u.Port() == "" {
		s.address = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	if u.Scheme == "https" {
		s.tls = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	}
	for _, h := range headers {
		if strings.ContainsAny(h, "\r\n") {
			return nil, errors.New("a header holds a line end")
		}
		s.headers += h + "\r\n"
	}
	return s, nil
}

// appendRequest appends a whole request.
func (s *Server) appendRequest(b []byte, method, path string, body []byte) []byte {
	b = append(append(append(append(b, method...), ' '), path...), " HTTP/1.1\r\nHost: "...)
	b = append(append(append(b, s.host...), "\r\n"...), s.headers...)
	if body != nil {
		b = append(b, "Content-Type: application/json\r\nContent-Length: "...)
		b = append(strconv.AppendInt(b, int64(len(body)), 10), "\r\n"...)
	}
	return append(append(b, "\r\n"...), body...)
}

// A conn is one connection, kept alive, for one request at a time. net/http's client
// would cost the machine as much as some of the servers that are measured.
type conn struct {
	server *Server
	c      net.Conn
	r      *bufio.Reader
	body   []byte // of the last answer, overwritten by the next
}

func (s *Server) dial(ctx context.Context) (*conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	c, err := d.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", s.address, err)
	}
	if s.tls != nil {
		c = tls.Client(c, s.tls)
	}
	return &conn{server: s, c: c, r: bufio.NewReaderSize(c, 64<<10)}, nil
}

func (c *conn) close() { _ = c.c.Close() }

// do sends a request as appendRequest makes it and reads the answer whole.
func (c *conn) do(request []byte) (status int, body []byte, err error) {
	if err := c.c.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, nil, err
	}
	if _, err := c.c.Write(request); err != nil {
		return 0, nil, fmt.Errorf("sending: %w", err)
	}
	status, length, chunked, err := c.head()
	if err != nil {
		return 0, nil, fmt.Errorf("reading an answer: %w", err)
	}
	if err := c.read(length, chunked); err != nil {
		return 0, nil, fmt.Errorf("reading an answer: %w", err)
	}
	return status, c.body, nil
}

// head reads the status line and what the headers say of the body.
func (c *conn) head() (status int, length int, chunked bool, err error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, 0, false, err
	}
	if len(line) < 12 {
		return 0, 0, false, errors.New("no status line")
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, false, errors.New("no status")
	}
	for {
		line, err = c.r.ReadSlice('\n')
		if err != nil {
			return 0, 0, false, err
		}
		if len(line) <= 2 {
			return status, length, chunked, nil
		}
		if c := line[0] | 0x20; c != 'c' && c != 't' {
			continue
		}
		switch name, value, _ := bytes.Cut(line, []byte(":")); {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil || length < 0 {
				return 0, 0, false, errors.New("no length")
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
}

func (c *conn) read(length int, chunked bool) (err error) {
	if !chunked {
		if cap(c.body) < length {
			c.body = make([]byte, length)
		}
		c.body = c.body[:length]
		_, err = io.ReadFull(c.r, c.body)
		return err
	}
	c.body = c.body[:0]
	r := httputil.NewChunkedReader(c.r)
	for {
		if len(c.body) == cap(c.body) {
			c.body = append(c.body, 0)[:len(c.body)]
		}
		n, err := r.Read(c.body[len(c.body):cap(c.body)])
		c.body = c.body[:len(c.body)+n]
		if errors.Is(err, io.EOF) {
			_, err = c.r.ReadSlice('\n') // the line that ends the trailers
			return err
		}
		if err != nil {
			return err
		}
	}
}

// once sends one request on a connection of its own and wants an answer below 300.
func (s *Server) once(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	status, answer, err := c.do(s.appendRequest(nil, method, path, body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if status >= 300 {
		return nil, fmt.Errorf("%s %s: status %d: %.200s", method, path, status, answer)
	}
	return answer, nil
}
