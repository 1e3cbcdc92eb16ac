//! Which of the twelve endpoints a request is for. What leads nowhere is answered before anybody looks at secrets.

use http::Method;

use super::id::{Kind, Share, StorageIndex, share_number};

/// Where a request leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// GET /version
    Version,
    /// PUT /lease/SI
    Lease(StorageIndex),
    /// POST /immutable/SI
    Allocate(StorageIndex),
    /// PATCH /immutable/SI/N
    Write(Share),
    /// PUT /immutable/SI/N/abort
    Abort(Share),
    /// GET /immutable/SI/shares, GET /mutable/SI/shares
    List(Kind, StorageIndex),
    /// GET /immutable/SI/N, GET /mutable/SI/N
    Read(Share),
    /// POST /immutable/SI/N/corrupt, POST /mutable/SI/N/corrupt
    Corrupt(Share),
    /// POST /mutable/SI/read-test-write
    ReadTestWrite(StorageIndex),
}

/// Why a request leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nowhere {
    /// 404.
    NoSuchPath,
    /// 405.
    OtherMethod,
}

impl Route {
    /// The endpoint of a method and a path; the path as it was sent, without its query.
    pub fn of(method: &Method, path: &str) -> Result<Route, Nowhere> {
        let rest = path.strip_prefix("/storage/v1/").ok_or(Nowhere::NoSuchPath)?;
        let parts: Vec<&str> = rest.splitn(5, '/').collect();
        let (route, wanted) = Route::known(&parts, method).ok_or(Nowhere::NoSuchPath)?;
        if *method == wanted {
            Ok(route)
        } else {
            Err(Nowhere::OtherMethod)
        }
    }

    /// The endpoint with the method that it takes. Where a path has two, `method` chooses.
    fn known(parts: &[&str], method: &Method) -> Option<(Route, Method)> {
        let index = |text: &str| StorageIndex::parse(text);
        Some(match *parts {
            ["version"] => (Route::Version, Method::GET),
            ["lease", si] => (Route::Lease(index(si)?), Method::PUT),
            ["immutable", si] => (Route::Allocate(index(si)?), Method::POST),
            ["mutable", si, "read-test-write"] => (Route::ReadTestWrite(index(si)?), Method::POST),
            [kind, si, "shares"] => (Route::List(of_kind(kind)?, index(si)?), Method::GET),
            [kind, si, number] => {
                let share = share(of_kind(kind)?, si, number)?;
                if share.kind == Kind::Immutable && *method == Method::PATCH {
                    (Route::Write(share), Method::PATCH)
                } else {
                    (Route::Read(share), Method::GET)
                }
            }
            [kind, si, number, "corrupt"] => (Route::Corrupt(share(of_kind(kind)?, si, number)?), Method::POST),
            ["immutable", si, number, "abort"] => (Route::Abort(share(Kind::Immutable, si, number)?), Method::PUT),
            _ => return None,
        })
    }
}

fn of_kind(text: &str) -> Option<Kind> {
    match text {
        "immutable" => Some(Kind::Immutable),
        "mutable" => Some(Kind::Mutable),
        _ => None,
    }
}

fn share(kind: Kind, index: &str, number: &str) -> Option<Share> {
    Some(Share {
        kind,
        index: StorageIndex::parse(index)?,
        number: share_number(number)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SI: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn twelve_endpoints_and_no_more() {
        let index = StorageIndex([0; 16]);
        let share = |kind| Share { kind, index, number: 7 };
        let table = [
            (Method::GET, "version".to_owned(), Route::Version),
            (Method::PUT, format!("lease/{SI}"), Route::Lease(index)),
            (Method::POST, format!("immutable/{SI}"), Route::Allocate(index)),
            (
                Method::PATCH,
                format!("immutable/{SI}/7"),
                Route::Write(share(Kind::Immutable)),
            ),
            (
                Method::PUT,
                format!("immutable/{SI}/7/abort"),
                Route::Abort(share(Kind::Immutable)),
            ),
            (
                Method::GET,
                format!("immutable/{SI}/shares"),
                Route::List(Kind::Immutable, index),
            ),
            (
                Method::GET,
                format!("immutable/{SI}/7"),
                Route::Read(share(Kind::Immutable)),
            ),
            (
                Method::POST,
                format!("immutable/{SI}/7/corrupt"),
                Route::Corrupt(share(Kind::Immutable)),
            ),
            (
                Method::POST,
                format!("mutable/{SI}/read-test-write"),
                Route::ReadTestWrite(index),
            ),
            (
                Method::GET,
                format!("mutable/{SI}/shares"),
                Route::List(Kind::Mutable, index),
            ),
            (
                Method::GET,
                format!("mutable/{SI}/7"),
                Route::Read(share(Kind::Mutable)),
            ),
            (
                Method::POST,
                format!("mutable/{SI}/7/corrupt"),
                Route::Corrupt(share(Kind::Mutable)),
            ),
        ];
        for (method, path, route) in table {
            let path = format!("/storage/v1/{path}");
            assert_eq!(Route::of(&method, &path), Ok(route), "{method} {path}");
            assert_eq!(Route::of(&Method::DELETE, &path), Err(Nowhere::OtherMethod), "{path}");
            assert_eq!(
                Route::of(&method, &format!("{path}/")),
                Err(Nowhere::NoSuchPath),
                "{path}/"
            );
        }
    }

    #[test]
    fn other_paths_lead_nowhere() {
        let paths = [
            "/",
            "/storage/v1",
            "/storage/v2/version",
            "/storage/v1/immutable/AA/7",
            "/storage/v1/immutable/../../version",
        ];
        for path in paths {
            assert_eq!(Route::of(&Method::GET, path), Err(Nowhere::NoSuchPath), "{path}");
        }
        let path = format!("/storage/v1/mutable/{SI}/7/abort");
        assert_eq!(Route::of(&Method::PUT, &path), Err(Nowhere::NoSuchPath));
        let path = format!("/storage/v1/mutable/{SI}/7");
        assert_eq!(Route::of(&Method::PATCH, &path), Err(Nowhere::OtherMethod));
    }
}
