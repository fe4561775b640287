package api

// Limits of requests. What is larger is refused with [TooLarge], or where it is
// about form with [Invalid], before it is worked on.
const (
	// MaxBody is the most bytes of a request body.
	MaxBody = 1 << 20
	// MaxBatchBody is the most bytes of a body on the batch routes.
	MaxBatchBody = 16 << 20
	// MaxValue is the most bytes of one value.
	MaxValue = 64 << 10
	// MaxItems is the most items of one batch.
	MaxItems = 1000
	// MaxPage is the most entries of one page.
	MaxPage = 1000
	// MaxToken is the most bytes of a bearer token.
	MaxToken = 8 << 10
	// MaxIdempotencyKey is the most bytes of an Idempotency-Key.
	MaxIdempotencyKey = 255
	// MaxDepth is how deep JSON may be nested.
	MaxDepth = 32
	// MaxKeys is the most keys of one JSON object.
	MaxKeys = 10_000
	// MaxElements is the most keys and array elements of one JSON document.
	MaxElements = 200_000
)

// Names of headers.
const (
	// HeaderPurpose names the purpose that data is asked for. Exactly one.
	HeaderPurpose = "Fieldvault-Purpose"
	// HeaderIdempotencyKey makes a repeated write have one effect for 24 hours.
	HeaderIdempotencyKey = "Idempotency-Key"
	// HeaderRequestID is a UUID that names the request in log and audit; the
	// service makes one when there is none, and always answers it.
	HeaderRequestID = "Request-Id"
)
