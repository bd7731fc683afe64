//! One round of deliveries to a webhook: a part of the feed is read, its events are delivered, those of one execution one
//! after the other and those of different ones at the same time, and what was acknowledged is written down.
//!
//! The place that is written down is behind nothing that was not acknowledged. So whoever goes on after a node has died
//! repeats some deliveries, and leaves none out.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};

use super::{
    Engine, Holding, KNOWN_FOR,
    lanes::{Lane, LaneEnd, lanes_of, place_after},
    lock,
    sending::{Sender, is_lost},
};
use crate::{
    model::{
        Action, Cursor, Delivery, DisabledReason, Event, ExecutionId, Micros, Principal,
        TenantScope, Webhook, WebhookStatus, price,
    },
    runtime::{
        Error,
        webhooks::{backoff, courier::Attempted},
    },
    storage::{AdvanceWebhook, Feed},
};

/// Events that are read at a time.
const BATCH: u32 = 100;
/// Executions whose events are delivered at the same time.
const LANES: usize = 8;
/// After this time no other delivery of a round begins.
const ROUND: Duration = Duration::from_secs(5);
/// Failures in one round after which no other delivery begins.
const MOST_FAILURES: usize = 8;
/// The points for a look at a webhook and its feed.
const LOOK: u64 = 2 * price::STATEMENT;
/// What a webhook says whose secret cannot be opened.
const LOST: &str =
    "the server's keys do not open its secret: give it another one by rotateWebhookSecret";
/// A place behind which nothing fits the filter is written down after this time.
const PLACE_KEPT_MICROS: Micros = 60_000_000;

/// What comes after a round.
pub(super) enum RoundOutcome {
    /// Something was, or somebody has changed what is to be delivered: the next one, at once.
    Delivered,
    /// Nothing of what was looked at fits: the next one, at once.
    PassedOver,
    /// There was nothing to deliver.
    Nothing,
    /// What was not accepted is tried again after this time.
    Later(Duration),
    /// The webhook is not this node's any more.
    Ended,
}

/// What became of writing down how far a webhook is.
enum Written {
    /// It is written down, and the webhook is this node's to go on with.
    Ours,
    /// The filter, the place or the status was changed meanwhile: nothing is written down, and the round is begun again.
    Overtaken,
    /// The webhook is not this node's any more.
    Ended,
}

/// How far a task has come beyond what is written down.
pub(super) struct Course {
    /// The version of the webhook that this is about.
    version: i64,
    /// Behind the place of the webhook, up to here, nothing fits the filter.
    scanned: Cursor,
    /// When the place was last written down.
    written_at: Micros,
    /// Executions whose events were not accepted: in the next round their turn comes last.
    stuck: HashSet<ExecutionId>,
}

impl Course {
    pub(super) fn of(webhook: &Webhook, now: Micros) -> Self {
        Self {
            version: webhook.version,
            scanned: webhook.delivery.place,
            written_at: now,
            stuck: HashSet::new(),
        }
    }
}

/// What the lanes of a round tell each other.
struct Progress {
    begun: Instant,
    accepted: AtomicUsize,
    failed: AtomicUsize,
    last_failure: Mutex<Option<(String, Option<Micros>)>>,
    is_gone: Mutex<Option<String>>,
    error: Mutex<Option<Error>>,
}

impl Progress {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            accepted: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            last_failure: Mutex::default(),
            is_gone: Mutex::default(),
            error: Mutex::default(),
        }
    }

    /// Whoever accepts less than it refuses is not asked again in this round.
    fn is_over(&self) -> bool {
        let failed = self.failed.load(Ordering::Relaxed);
        let accepted = self.accepted.load(Ordering::Relaxed);
        failed >= MOST_FAILURES || failed > accepted || self.begun.elapsed() > ROUND
    }
}

impl Engine {
    /// Does a round for the webhook as it is now.
    pub(super) async fn next_round(&self, holding: &mut Holding) -> Result<RoundOutcome, Error> {
        if holding.lost.is_cancelled() || self.stopped.is_cancelled() {
            return Ok(RoundOutcome::Ended);
        }
        let principal = Principal::of_webhook(&holding.webhook);
        let scope = principal.scope();
        let read_at = holding.read_at;
        if read_at.is_none_or(|read_at| read_at.elapsed() >= KNOWN_FOR) {
            let read_at = Instant::now();
            let id = holding.webhook.id;
            let Some(webhook) = self.storage.find_webhook(&scope, id).await? else {
                return Ok(RoundOutcome::Ended);
            };
            (holding.webhook, holding.read_at) = (webhook, Some(read_at));
        }
        if holding.webhook.version != holding.course.version {
            holding.course = Course::of(&holding.webhook, self.clock.now());
        }
        let is_over = self.draining.is_cancelled() || holding.held.is_surplus();
        if is_over || holding.webhook.status != WebhookStatus::Active {
            let as_it_is = holding.webhook.delivery.clone();
            self.advance(&scope, holding, as_it_is, false, None).await?;
            return Ok(RoundOutcome::Ended);
        }
        let now = self.clock.now();
        let due_at = holding.webhook.delivery.due_at.unwrap_or_default();
        if due_at > now {
            return Ok(RoundOutcome::Later(Duration::from_micros(
                (due_at - now).unsigned_abs(),
            )));
        }
        if let Some(wait) = self.budget.owes(principal.tenant()) {
            return Ok(RoundOutcome::Later(wait));
        }
        principal.check_all(Action::ReadExecutions)?;
        let feed = Feed::from(holding.webhook.filter.clone());
        let after = holding.course.scanned;
        let page = self.storage.feed_after(&scope, &feed, after, BATCH).await?;
        self.charge(&scope, LOOK + price::OBJECT * page.events.len() as u64);
        if page.events.is_empty() {
            return self.pass_over(&scope, holding, page.last).await;
        }
        self.deliver_page(&scope, holding, &page.events, page.last)
            .await
    }

    /// Goes on behind what does not fit the filter. Now and then that is written down.
    async fn pass_over(
        &self,
        scope: &TenantScope,
        holding: &mut Holding,
        last: Cursor,
    ) -> Result<RoundOutcome, Error> {
        if last <= holding.course.scanned {
            return Ok(RoundOutcome::Nothing);
        }
        holding.course.scanned = last;
        let now = self.clock.now();
        if now - holding.course.written_at > PLACE_KEPT_MICROS {
            let delivery = Delivery {
                place: last,
                ahead: BTreeMap::new(),
                ..holding.webhook.delivery.clone()
            };
            let written = self.advance(scope, holding, delivery, true, None).await?;
            if matches!(written, Written::Ended) {
                return Ok(RoundOutcome::Ended);
            }
        }
        Ok(RoundOutcome::PassedOver)
    }

    async fn deliver_page(
        &self,
        scope: &TenantScope,
        holding: &mut Holding,
        events: &[Event],
        last: Cursor,
    ) -> Result<RoundOutcome, Error> {
        let sender = match self.sender(scope, &holding.webhook).await {
            Err(error) if is_lost(&error) => return self.cannot_sign(scope, holding, &error).await,
            sender => sender?,
        };
        let lanes = lanes_of(events, &holding.webhook.delivery, &holding.course.stuck);
        let progress = Progress::new();
        let shared = &*holding;
        let sent = lanes.iter();
        let sent = sent.map(|lane| self.deliver_lane(shared, &sender, lane, &progress));
        let sent: Vec<_> = sent.collect();
        let ends: Vec<LaneEnd> = stream::iter(sent).buffer_unordered(LANES).collect().await;
        if holding.lost.is_cancelled() || self.stopped.is_cancelled() {
            return Ok(RoundOutcome::Ended);
        }
        let mut delivery = holding.webhook.delivery.clone();
        let mut acknowledged = delivery.ahead.clone();
        acknowledged.extend(ends.iter().filter_map(LaneEnd::acknowledged));
        let stuck = ends.iter().filter(|end| end.is_stuck);
        holding.course.stuck = stuck.map(|end| end.execution).collect();
        let before = holding.course.scanned;
        (delivery.place, delivery.ahead) = place_after(events, before, last, acknowledged);
        let (disabled, pause) = self.note(&mut delivery, &holding.webhook, &progress);
        let error = lock(&progress.error).take();
        let written = self
            .advance(scope, holding, delivery, true, disabled)
            .await?;
        match (written, error, pause) {
            (Written::Ended, ..) => Ok(RoundOutcome::Ended),
            (_, Some(error), _) => Err(error),
            (Written::Ours, None, Some(pause)) => Ok(RoundOutcome::Later(pause)),
            (Written::Ours, None, None) | (Written::Overtaken, None, _) => {
                Ok(RoundOutcome::Delivered)
            }
        }
    }

    /// Notes that the webhook's secret is lost. That is tried again as what a receiver does not accept, with the same pauses
    /// and the same end, by whichever node comes to it: another one may have the key.
    async fn cannot_sign(
        &self,
        scope: &TenantScope,
        holding: &mut Holding,
        error: &Error,
    ) -> Result<RoundOutcome, Error> {
        let mut delivery = holding.webhook.delivery.clone();
        let is_known = delivery.failures > 0 && delivery.last_failure.as_deref() == Some(LOST);
        if !is_known {
            tracing::warn!(%error, webhook_id = %holding.webhook.id, "the secret of a webhook cannot be opened");
        }
        let progress = Progress::new();
        *lock(&progress.last_failure) = Some((LOST.to_owned(), None));
        let (disabled, _) = self.note(&mut delivery, &holding.webhook, &progress);
        self.advance(scope, holding, delivery, false, disabled)
            .await?;
        Ok(RoundOutcome::Ended)
    }

    /// Writes down how far it is, unless somebody has changed meanwhile what is delivered.
    async fn advance(
        &self,
        scope: &TenantScope,
        holding: &mut Holding,
        delivery: Delivery,
        goes_on: bool,
        disabled: Option<DisabledReason>,
    ) -> Result<Written, Error> {
        let generation = holding.webhook.generation;
        let read_at = Instant::now();
        let place = delivery.place;
        self.charge(scope, price::CHANGE);
        let advance = AdvanceWebhook {
            scope: scope.clone(),
            known: holding.webhook.clone(),
            node: holding.node,
            delivery,
            goes_on,
            disabled,
        };
        let Some(webhook) = self.storage.advance_webhook(advance).await? else {
            return Ok(Written::Ended);
        };
        if webhook.version == holding.course.version {
            holding.course.scanned = place;
            holding.course.written_at = self.clock.now();
        }
        (holding.webhook, holding.read_at) = (webhook, Some(read_at));
        Ok(
            if !goes_on || holding.webhook.status != WebhookStatus::Active {
                Written::Ended
            } else if holding.webhook.generation == generation {
                Written::Ours
            } else {
                Written::Overtaken
            },
        )
    }

    /// Notes what became of a round; why the webhook is given up, if it is, and when what failed is tried again.
    fn note(
        &self,
        delivery: &mut Delivery,
        webhook: &Webhook,
        progress: &Progress,
    ) -> (Option<DisabledReason>, Option<Duration>) {
        let now = self.clock.now();
        if progress.accepted.load(Ordering::Relaxed) > 0 {
            delivery.last_success_at = Some(now);
            delivery.failing_since = None;
            delivery.failures = 0;
        }
        if let Some(why) = lock(&progress.is_gone).take() {
            delivery.failures += 1;
            (delivery.last_failure_at, delivery.last_failure) = (Some(now), Some(why));
            return (Some(DisabledReason::Gone), None);
        }
        let Some((why, asked_for)) = lock(&progress.last_failure).take() else {
            return (None, None);
        };
        delivery.failures += 1;
        let since = backoff::failing_since(delivery.failing_since, delivery.last_failure_at, now);
        delivery.failing_since = Some(since);
        (delivery.last_failure_at, delivery.last_failure) = (Some(now), Some(why));
        let settings = &self.settings.deliveries;
        if now - since >= settings.disable_after_micros {
            return (Some(DisabledReason::Failing), None);
        }
        let first = settings.first_retry_micros;
        let pause = match asked_for {
            Some(pause) => pause.max(first),
            None => backoff::pause(first, webhook.id, delivery.failures),
        };
        delivery.due_at = Some(now.saturating_add(pause));
        (None, Some(Duration::from_micros(pause.unsigned_abs())))
    }

    /// Delivers events of one execution until one is not accepted.
    async fn deliver_lane(
        &self,
        holding: &Holding,
        sender: &Sender,
        lane: &Lane<'_>,
        progress: &Progress,
    ) -> LaneEnd {
        let mut end = LaneEnd {
            execution: lane.execution,
            last: None,
            is_stuck: false,
        };
        for event in &lane.events {
            let _place = self.webhooks.places.take(&holding.webhook.tenant_id).await;
            // Who has waited for a place for long looks at the webhook again first.
            if progress.is_over() || self.draining.is_cancelled() {
                break;
            }
            let attempt = self.attempt(&holding.webhook, sender, event);
            let attempted = tokio::select! {
                attempted = attempt => attempted,
                () = holding.lost.cancelled() => break,
            };
            end.is_stuck = !matches!(attempted, Ok(Attempted::Accepted));
            match attempted {
                Ok(Attempted::Accepted) => {
                    progress.accepted.fetch_add(1, Ordering::Relaxed);
                    end.last = Some(event.cursor.seq);
                }
                Ok(Attempted::Gone) => {
                    progress.failed.fetch_add(MOST_FAILURES, Ordering::Relaxed);
                    *lock(&progress.is_gone) = Some("410".to_owned());
                    break;
                }
                Ok(Attempted::Failed { why, pause }) => {
                    progress.failed.fetch_add(1, Ordering::Relaxed);
                    *lock(&progress.last_failure) = Some((why, pause));
                    break;
                }
                Err(error) => {
                    progress.failed.fetch_add(MOST_FAILURES, Ordering::Relaxed);
                    *lock(&progress.error) = Some(error);
                    break;
                }
            }
        }
        end
    }
}
