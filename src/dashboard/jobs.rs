//! Work that takes longer than a page: sealing old mail again, indexing. It goes on in the
//! background, for as long as the unlock it runs on; pages show how far it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::House;
use super::frame::html;
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::tenant::registry::UserRef;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Seals old mail again under today's views and policies.
    Reseal,
    /// Adds new mail to the search index.
    Index,
    /// Removes a tenant.
    Removal,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// At work: done, in all.
    Running(u64, u64),
    /// Done, with what there is to say.
    Done(String),
    /// Ended early, with why.
    Failed(String),
}

/// The jobs of everybody.
#[derive(Default)]
pub struct Jobs(Mutex<HashMap<(UserRef, Kind), Progress>>);

/// A job that runs. Dropping it without a word means that it failed.
pub struct Running {
    jobs: Arc<Jobs>,
    of: (UserRef, Kind),
}

impl Jobs {
    /// Begins a job, unless the person has one of its kind at work.
    pub fn begin(self: &Arc<Self>, user: UserRef, kind: Kind) -> Option<Running> {
        let mut jobs = self.held();
        if matches!(jobs.get(&(user, kind)), Some(Progress::Running(..))) {
            return None;
        }
        jobs.insert((user, kind), Progress::Running(0, 0));
        Some(Running { jobs: self.clone(), of: (user, kind) })
    }

    /// How far a person's job is; none if there was none.
    pub fn state(&self, user: UserRef, kind: Kind) -> Option<Progress> {
        self.held().get(&(user, kind)).cloned()
    }

    /// The same for a page that tells the end of a job: it is told once.
    pub fn seen(&self, user: UserRef, kind: Kind) -> Option<Progress> {
        let mut jobs = self.held();
        match jobs.get(&(user, kind)) {
            Some(running @ Progress::Running(..)) => Some(running.clone()),
            _ => jobs.remove(&(user, kind)),
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<(UserRef, Kind), Progress>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Tells how far the job is.
    pub fn step(&self, done: u64, total: u64) {
        self.jobs.held().insert(self.of, Progress::Running(done, total));
    }

    /// Ends the job, with what there is to say.
    pub fn finish(self, outcome: Result<String, String>) {
        let state = outcome.map_or_else(Progress::Failed, Progress::Done);
        self.jobs.held().insert(self.of, state);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut jobs = self.jobs.held();
        if matches!(jobs.get(&self.of), Some(Progress::Running(..))) {
            jobs.insert(self.of, Progress::Failed("It ended early.".to_owned()));
        }
    }
}

#[derive(Template)]
#[template(path = "job.html")]
struct Fragment {
    state: Option<Progress>,
}

/// `GET /jobs/{kind}`: what stands in the page where the job's progress is.
pub async fn fragment(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path(kind): Path<String>,
) -> Result<Response, Trouble> {
    let kind = match kind.as_str() {
        "reseal" => Kind::Reseal,
        "index" => Kind::Index,
        "removal" => Kind::Removal,
        _ => return Err(Trouble::NotFound("page")),
    };
    Ok(html(&Fragment { state: house.jobs.state(visitor.visit.user, kind) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{TenantId, UserId};

    #[test]
    fn one_job_of_a_kind_runs_at_a_time_and_tells_its_end() {
        let jobs = Arc::new(Jobs::default());
        let user = UserRef { tenant: TenantId::random(), user: UserId::random() };
        let running = jobs.begin(user, Kind::Index).expect("none runs");
        assert!(jobs.begin(user, Kind::Index).is_none());
        assert!(jobs.begin(user, Kind::Reseal).is_some());
        running.step(3, 7);
        assert_eq!(jobs.state(user, Kind::Index), Some(Progress::Running(3, 7)));
        running.finish(Ok("7 messages".to_owned()));
        assert_eq!(jobs.state(user, Kind::Index), Some(Progress::Done("7 messages".to_owned())));
        assert!(matches!(jobs.state(user, Kind::Reseal), Some(Progress::Failed(_))));
        assert!(jobs.seen(user, Kind::Reseal).is_some() && jobs.seen(user, Kind::Reseal).is_none());
        let running = jobs.begin(user, Kind::Reseal).expect("none runs");
        assert!(jobs.seen(user, Kind::Reseal).is_some() && jobs.seen(user, Kind::Reseal).is_some());
        drop(running);
    }
}
