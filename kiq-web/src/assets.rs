//! Style and script, compiled in, each under a name that changes with its content.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::fault::Fault;

/// A file that never changes under its name.
pub(crate) struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static str,
    hash: u64,
}

pub(crate) const STYLE: Asset = Asset::new("kiq.css", "text/css; charset=utf-8", include_str!("../assets/kiq.css"));
pub(crate) const SCRIPT: Asset =
    Asset::new("kiq.js", "text/javascript; charset=utf-8", include_str!("../assets/kiq.js"));

impl Asset {
    const fn new(name: &'static str, kind: &'static str, content: &'static str) -> Self {
        Asset { name, kind, content, hash: hash(content.as_bytes()) }
    }

    /// Below the root: `assets/1a2b-kiq.css`.
    pub(crate) fn path(&self) -> String {
        format!("assets/{}", self.file())
    }

    fn file(&self) -> String {
        format!("{:016x}-{}", self.hash, self.name)
    }
}

/// FNV-1a, while compiling.
const fn hash(bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut rest = bytes;
    while let [first, others @ ..] = rest {
        hash = (hash ^ *first as u64).wrapping_mul(0x0100_0000_01b3);
        rest = others;
    }
    hash
}

pub(crate) async fn serve(Path(file): Path<String>) -> Result<Response, Fault> {
    let asset = [STYLE, SCRIPT].into_iter().find(|asset| asset.file() == file);
    let asset = asset.ok_or_else(|| Fault::not_found("there is no such file; reload the page"))?;
    let headers = [(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, asset.content).into_response())
}
