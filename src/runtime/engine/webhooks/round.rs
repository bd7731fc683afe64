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
    Engine, Holding,
    lanes::{Lane, LaneEnd, lanes_of, place_after},
    lock,
};
use crate::{
    model::{
        Action, Cursor, Delivery, DisabledReason, Event, EventShown, ExecutionId, IntentId, Micros,
        Principal, TenantScope, Webhook, WebhookStatus,
    },
    runtime::{
        Error,
        webhooks::{
            addresses::read_url,
            backoff,
            courier::{Attempted, Parcel},
            signature::{Secret, signatures},
        },
    },
    storage::{AdvanceWebhook, Feed},
    telemetry::metrics,
    vault,
};

/// Events that are read at a time.
const BATCH: u32 = 100;
/// Executions whose events are delivered at the same time.
const LANES: usize = 8;
/// After this time no other delivery of a round begins.
const ROUND: Duration = Duration::from_secs(5);
/// Failures in one round after which no other delivery begins.
const MOST_FAILURES: usize = 8;
/// A place behind which nothing fits the filter is written down after this time.
const PLACE_KEPT_MICROS: Micros = 60_000_000;

/// What comes after a round.
pub(super) enum Outcome {
    /// The next one, at once.
    GoesOn,
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

/// What is the same for all deliveries of a round.
struct Sender {
    scope: TenantScope,
    url: url::Url,
    secrets: Vec<Secret>,
}

impl Engine {
    /// Does a round for the webhook as it is now.
    pub(super) async fn next_round(&self, holding: &mut Holding) -> Result<Outcome, Error> {
        if holding.lost.is_cancelled() || self.stopped.is_cancelled() {
            return Ok(Outcome::Ended);
        }
        let principal = Principal::of_webhook(&holding.webhook);
        let scope = principal.scope();
        let found = self
            .storage
            .find_webhook(&scope, holding.webhook.id)
            .await?;
        let Some(webhook) = found else {
            return Ok(Outcome::Ended);
        };
        if webhook.version != holding.course.version {
            holding.course = Course::of(&webhook, self.clock.now());
        }
        holding.webhook = webhook;
        let is_over = self.draining.is_cancelled() || holding.held.is_surplus();
        if is_over || holding.webhook.status != WebhookStatus::Active {
            let as_it_is = holding.webhook.delivery.clone();
            self.advance(&scope, holding, as_it_is, false, None).await?;
            return Ok(Outcome::Ended);
        }
        let now = self.clock.now();
        let due_at = holding.webhook.delivery.due_at.unwrap_or_default();
        if due_at > now {
            return Ok(Outcome::Later(Duration::from_micros(
                (due_at - now).unsigned_abs(),
            )));
        }
        principal.check_all(Action::ReadExecutions)?;
        let feed = Feed::from(holding.webhook.filter.clone());
        let after = holding.course.scanned;
        let page = self.storage.feed_after(&scope, &feed, after, BATCH).await?;
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
    ) -> Result<Outcome, Error> {
        if last <= holding.course.scanned {
            return Ok(Outcome::Nothing);
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
                return Ok(Outcome::Ended);
            }
        }
        Ok(Outcome::GoesOn)
    }

    async fn deliver_page(
        &self,
        scope: &TenantScope,
        holding: &mut Holding,
        events: &[Event],
        last: Cursor,
    ) -> Result<Outcome, Error> {
        let sender = self.sender(scope, &holding.webhook).await?;
        let lanes = lanes_of(events, &holding.webhook.delivery, &holding.course.stuck);
        let progress = Progress::new();
        let shared = &*holding;
        let sent = lanes.iter();
        let sent = sent.map(|lane| self.deliver_lane(shared, &sender, lane, &progress));
        let sent: Vec<_> = sent.collect();
        let ends: Vec<LaneEnd> = stream::iter(sent).buffer_unordered(LANES).collect().await;
        if holding.lost.is_cancelled() || self.stopped.is_cancelled() {
            return Ok(Outcome::Ended);
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
            (Written::Ended, ..) => Ok(Outcome::Ended),
            (_, Some(error), _) => Err(error),
            (Written::Ours, None, Some(pause)) => Ok(Outcome::Later(pause)),
            (Written::Ours, None, None) | (Written::Overtaken, None, _) => Ok(Outcome::GoesOn),
        }
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
        let place = delivery.place;
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
        holding.webhook = webhook;
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

    /// Sends one event.
    async fn attempt(
        &self,
        webhook: &Webhook,
        sender: &Sender,
        event: &Event,
    ) -> Result<Attempted, Error> {
        let Some(body) = self.body_of(&sender.scope, event).await? else {
            // It is not shown to anybody.
            return Ok(Attempted::Accepted);
        };
        let id = format!("{}-{}", webhook.id, event.id());
        let seconds = self.clock.now().div_euclid(1_000_000);
        let parcel = Parcel {
            url: sender.url.clone(),
            signatures: signatures(&sender.secrets, &id, seconds, &body),
            id,
            seconds,
            body,
        };
        let deliveries = &self.webhooks;
        let sending = deliveries.courier.send(parcel);
        let attempted = deliveries.places.sent(&webhook.tenant_id, sending).await;
        self.metrics.delivered(match &attempted {
            Attempted::Accepted => metrics::Delivered::Accepted,
            Attempted::Gone => metrics::Delivered::Gone,
            Attempted::Failed { .. } => metrics::Delivered::Failed,
        });
        Ok(attempted)
    }

    /// The event as JSON. What belongs to it and is lost is left out.
    async fn body_of(&self, scope: &TenantScope, event: &Event) -> Result<Option<String>, Error> {
        let Some(mut shown) = EventShown::of(event) else {
            return Ok(None);
        };
        if let Some(payload) = EventShown::payload_of(event) {
            match self.payloads.load(scope, payload).await {
                Ok(json) => shown = shown.with_payload(json),
                Err(error) if error.is_outage() => return Err(error.into()),
                Err(error) => {
                    tracing::error!(%error, event_id = %event.id(), "the payload of an event cannot be read");
                }
            }
        }
        // Texts and numbers can be written as JSON.
        Ok(Some(serde_json::to_string(&shown).unwrap_or_default()))
    }

    async fn sender(&self, scope: &TenantScope, webhook: &Webhook) -> Result<Sender, Error> {
        let now = self.clock.now();
        let former = webhook.secrets.former.iter();
        let former = former.filter(|(_, until)| *until > now);
        let sealed = std::iter::once(&webhook.secrets.current).chain(former.map(|(it, _)| it));
        let mut secrets = Vec::new();
        for sealed in sealed {
            let (vault, id) = (self.vault()?, IntentId(webhook.id.0));
            let text = vault.reveal(scope.tenant(), id, sealed).await?;
            // Nothing is delivered unsigned.
            secrets.push(Secret::read(&text).ok_or(vault::Error::Broken)?);
        }
        Ok(Sender {
            scope: scope.clone(),
            // Where private addresses are not allowed any more, the courier says so.
            url: read_url(&webhook.url, true)?,
            secrets,
        })
    }
}
