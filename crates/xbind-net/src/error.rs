use std::fmt;

/// Why there is no document: a sentence that holds nothing secret and no word of the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchError {
    /// Not a URL, or not in the one spelling that is taken: see [`Target::parse`](crate::Target::parse).
    BadUrl,
    /// Another scheme than https, or http where it is not for the owner's own machine.
    NotHttps,
    /// A user name or password, even an empty one.
    Credentials,
    /// A stranger's address with another port than 443.
    Port,
    /// A stranger's address within this machine or its network.
    NotPublic,
    /// An address that belongs to no server, such as multicast, or at which a cloud answers its machines.
    Forbidden,
    /// The name has no address.
    NoAddress,
    /// No connection to any address of the host.
    NoConnection,
    /// The proxy cannot be reached, or does not let through.
    Proxy,
    /// No TLS with that host.
    Tls,
    /// The certificate is for another name or address.
    WrongName,
    /// The certificate has expired, or is not valid yet.
    Expired,
    /// The certificate leads to no root that is trusted.
    UnknownIssuer,
    /// The certificate is malformed, revoked, or for another purpose.
    Certificate,
    /// The certificates to trust cannot be read.
    Roots,
    /// The connection ended before the answer did.
    BrokenOff,
    /// The answer is not HTTP/1.1, or its head is longer than 16 KiB or 64 lines, 32 KiB or 128 of an [upstream](crate::upstream).
    NotHttp,
    /// Another status than 200; redirects are among them.
    Status(u16),
    /// A content or transfer coding.
    Encoded,
    /// Another media type than was asked for.
    MediaType,
    /// More bytes than this.
    TooLong(usize),
    /// Not done after so many milliseconds.
    Timeout(u64),
    /// More documents than are fetched or remembered at a time.
    Busy,
    /// Asked for again so soon, while the answer was too large to be kept.
    TooSoon,
    /// A fault of ours, or a thread that could not be started.
    Internal,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = match self {
            Self::BadUrl => "the address is not a URL in its plain spelling",
            Self::NotHttps => "the address is not https",
            Self::Credentials => "the address holds credentials",
            Self::Port => "the address names a port other than 443",
            Self::NotPublic => "the host is not on the public network",
            Self::Forbidden => "the host has an address that is never asked",
            Self::NoAddress => "the host has no address",
            Self::NoConnection => "the host cannot be reached",
            Self::Proxy => "the proxy leads to no connection",
            Self::Tls => "the TLS handshake failed",
            Self::WrongName => "the certificate is for another host",
            Self::Expired => "the certificate is not valid at this time",
            Self::UnknownIssuer => "the certificate is by no authority that is trusted",
            Self::Certificate => "the certificate cannot be used",
            Self::Roots => "the certificates to trust cannot be read",
            Self::BrokenOff => "the connection broke off",
            Self::NotHttp => "the answer is not HTTP",
            Self::Status(status) => return write!(f, "the server answered {status}"),
            Self::Encoded => "the answer is encoded",
            Self::MediaType => "the answer is of another media type",
            Self::TooLong(bytes) => return write!(f, "the answer is longer than {bytes} bytes"),
            Self::Timeout(ms) => return write!(f, "no answer within {ms} ms"),
            Self::Busy => "too many documents are being fetched",
            Self::TooSoon => "the document was asked for a moment ago",
            Self::Internal => "the request failed",
        };
        f.write_str(sentence)
    }
}

impl std::error::Error for FetchError {}
