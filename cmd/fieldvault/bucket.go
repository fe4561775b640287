package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/fieldvault/fieldvault/audit/tiledir"
)

// bucketScheme begins the address of a bucket: s3://<bucket>/<prefix>.
const bucketScheme = "s3://"

// bucketWithin bounds one request to a bucket.
const bucketWithin = time.Minute

// A bucket keeps files in an S3-compatible bucket, below a prefix. It is a
// tiledir.Files: an object is written whole, and is durable when the store says so.
type bucket struct {
	client *minio.Client
	name   string
	prefix string // "" or ends with a slash
}

// exportTo opens where logs are exported to: a folder, or a bucket.
func exportTo(a AuditConfig, tenant string) (tiledir.Files, error) {
	if !strings.HasPrefix(a.Export, bucketScheme) {
		return tiledir.Dir{Path: a.Export}.Below(tenant), nil
	}
	return openBucket(a, tenant)
}

func openBucket(a AuditConfig, tenant string) (*bucket, error) {
	u, err := url.Parse(a.Export)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, withHint(errors.New("audit.export is no bucket"), "write it as s3://bucket/prefix, or name a folder")
	}
	endpoint, err := url.Parse(a.S3.Endpoint)
	safe := err == nil && (endpoint.Scheme == "https" || endpoint.Scheme == "http" && local(endpoint.Hostname()))
	if !safe || endpoint.Host == "" {
		return nil, withHint(errors.New("audit.s3.endpoint is not set, or is no https address"), "set it to the address of the bucket's store, such as https://s3.eu-central-1.amazonaws.com")
	}
	transport, err := bucketTransport(a.S3.CAFile, endpoint.Scheme == "https")
	if err != nil {
		return nil, err
	}
	login := credentials.NewIAM("")
	if a.S3.AccessKeyID != "" {
		login = credentials.NewStaticV4(a.S3.AccessKeyID, a.S3.SecretAccessKey, "")
	}
	c, err := minio.New(endpoint.Host, &minio.Options{Creds: login, Secure: endpoint.Scheme == "https", Region: a.S3.Region, Transport: transport})
	if err != nil {
		return nil, withHint(errors.New("the bucket's store cannot be used"), "check audit.s3.endpoint and audit.s3.region")
	}
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		prefix += "/"
	}
	return &bucket{client: c, name: u.Host, prefix: prefix + tenant + "/"}, nil
}

// bucketTransport verifies the store's certificate, by authorities of its own if there
// is a file of them.
func bucketTransport(caFile string, secure bool) (http.RoundTripper, error) {
	t, err := minio.DefaultTransport(secure)
	if err != nil || caFile == "" {
		return t, err
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, withHint(fmt.Errorf("reading audit.s3.ca_file: %w", err), "it must name a file of certificates, PEM")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, withHint(errors.New("audit.s3.ca_file holds no certificate"), "it must name a file of certificates, PEM")
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}

// Read reads an object.
func (b *bucket) Read(ctx context.Context, name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, bucketWithin)
	defer cancel()
	o, err := b.client.GetObject(ctx, b.name, b.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, bucketError("reading from the bucket", err)
	}
	defer o.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(o)
	switch {
	case minio.ToErrorResponse(err).Code == minio.NoSuchKey:
		return nil, fmt.Errorf("%w: %s", tiledir.ErrNone, name)
	case err != nil:
		return nil, bucketError("reading from the bucket", err)
	}
	return body, nil
}

// Write makes or replaces an object.
func (b *bucket) Write(ctx context.Context, name string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, bucketWithin)
	defer cancel()
	_, err := b.client.PutObject(ctx, b.name, b.prefix+name, bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{
		ContentType: "application/octet-stream", SendContentMd5: true,
	})
	return bucketError("writing to the bucket", err)
}

// RemoveAll removes all objects below a name.
func (b *bucket) RemoveAll(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, bucketWithin)
	defer cancel()
	for o := range b.client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix + name + "/", Recursive: true}) {
		err := o.Err
		if err == nil {
			err = b.client.RemoveObject(ctx, b.name, o.Key, minio.RemoveObjectOptions{})
		}
		if err != nil {
			return bucketError("removing from the bucket", err)
		}
	}
	return nil
}

// bucketError says what failed by the store's code, and nothing else of its answer.
func bucketError(doing string, err error) error {
	if err == nil {
		return nil
	}
	if code := minio.ToErrorResponse(err).Code; code != "" {
		return fmt.Errorf("%s: %s", doing, code)
	}
	return fmt.Errorf("%s: the store does not answer", doing)
}
