//! The number of connections that the process's file descriptors allow, with enough kept back for
//! the database: a node whose database cannot open a file serves nobody.

/// Kept back for the listener, logs, the runtime's own, Redis, and content that is being read.
const FOR_ALL: usize = 64;
/// Kept back for each connection of the database: on SQLite it has three files open.
const FOR_EACH_OF_DATABASE: usize = 4;

/// As many connections as are wanted, or as the descriptors allow that `besides` others leave.
///
/// # Errors
/// When they allow none.
pub(super) fn most_connections(
    wanted: usize,
    of_database: u32,
    besides: usize,
) -> anyhow::Result<usize> {
    let of_database = usize::try_from(of_database).unwrap_or(usize::MAX);
    let kept_back = FOR_ALL
        .saturating_add(of_database.saturating_mul(FOR_EACH_OF_DATABASE))
        .saturating_add(besides);
    let Some(limit) = limit(kept_back.saturating_add(needed_for(wanted))) else {
        return Ok(wanted);
    };
    let fit = fit_in(limit.saturating_sub(kept_back));
    anyhow::ensure!(
        fit > 0,
        "the process may open {limit} files, of which {kept_back} are kept back for the database \
         and others: raise its limit (ulimit -n) or lower database.max_connections"
    );
    if fit < wanted {
        tracing::warn!(
            limit,
            kept_back,
            connections = fit,
            "the limit on open files allows fewer connections than http.max_connections"
        );
    }
    Ok(wanted.min(fit))
}

/// One descriptor a connection, and for one of two a file that it receives or sends.
fn needed_for(connections: usize) -> usize {
    connections.saturating_add(connections / 2)
}

fn fit_in(descriptors: usize) -> usize {
    descriptors / 3 * 2
}

/// Returns the number of files that the process may open, after raising the soft limit up to
/// `wanted` where the hard one allows it; none without a limit.
#[cfg(unix)]
fn limit(wanted: usize) -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let current = now.current?;
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
    let raised = now.maximum.map_or(wanted, |most| wanted.min(most));
    let is_raised = raised > current
        && setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(raised),
                maximum: now.maximum,
            },
        )
        .is_ok();
    let limit = if is_raised { raised } else { current };
    Some(usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn limit(_: usize) -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_needs_no_more_than_there_is() {
        for descriptors in 0..1_000 {
            assert!(needed_for(fit_in(descriptors)) <= descriptors);
        }
    }

    #[test]
    fn no_more_connections_are_allowed_than_are_wanted() {
        assert_eq!(most_connections(10, 1, 0).unwrap(), 10);
    }
}
