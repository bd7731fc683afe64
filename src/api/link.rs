//! The codes of signed links, in `error_code`.

super::codes::codes! {
    /// Why a signed link of an upload or a download was refused, by a stable name.
    pub enum LinkCode {
        /// The link has expired; ask for a new one.
        LinkExpired = "LINK_EXPIRED", 403;
        /// The link was not made by this server, or was changed.
        LinkInvalid = "LINK_INVALID", 403;
        /// There is no such upload or content.
        NotFound = "NOT_FOUND", 404;
        /// More bytes than were announced.
        TooLarge = "TOO_LARGE", 413;
        /// Fewer bytes than were announced, or another number in `Content-Length`.
        SizeMismatch = "SIZE_MISMATCH", 422;
        /// The digest in the headers cannot be read.
        InvalidInput = "INVALID_INPUT", 422;
        /// The bytes are not those of the digest in the headers.
        DigestMismatch = "DIGEST_MISMATCH", 422;
        /// The upload has other bytes already.
        UploadConflict = "UPLOAD_CONFLICT", 409;
        /// The body broke off.
        IncompleteBody = "INCOMPLETE_BODY", 400, retryable;
        /// The bytes came more slowly than they may.
        BodyTooSlow = "BODY_TOO_SLOW", 408, retryable;
        /// `Range` names bytes beyond the end of the content.
        RangeNotSatisfiable = "RANGE_NOT_SATISFIABLE", 416;
        /// The tenant asks for more than its share; `Retry-After` says when to come back.
        RateLimited = "RATE_LIMITED", 429, retryable;
        /// The runtime is saturated.
        QuotaExceeded = "QUOTA_EXCEEDED", 429, retryable;
        /// A part that the request needs is away.
        Unavailable = "UNAVAILABLE", 503, retryable;
        /// A fault of the server.
        Internal = "INTERNAL", 500;
    }
}
