//! A model that all entities share.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::rule::Past;
use super::table::{Known, Tables, row_of};
use super::{Taught, unfit};
use crate::backtest::{Dataset, Entity, Fitted, Protocol, Scale, Scorer, Span, Unfit};
use crate::features::{Columns, Schema};
use crate::model::file::Model;
use crate::model::{Estimator, Rows};
use crate::training::{Examples, Recipe, Series};

/// How an entity becomes rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Rowing {
    /// A hub, by what its signals mean.
    Hub(Schema),
    /// A machine, by how far its columns are from usual; as many columns as it has.
    Machine {
        /// How many.
        columns: usize,
    },
}

impl Rowing {
    /// The horizon, if rows depend on it.
    fn depends_on(&self, horizon: usize) -> usize {
        if matches!(self, Self::Hub(_)) { 0 } else { horizon }
    }
}

/// One model of all entities, fitted anew for each horizon.
#[derive(Debug)]
pub struct Fleet {
    name: String,
    recipe: Recipe,
    rowing: Rowing,
    /// Every how many of the rows one is learnt from.
    every: usize,
    sample_s: u64,
    tables: Arc<Tables>,
    lessons: Mutex<Vec<(Lesson, Arc<Estimator>)>>,
}

/// What was learnt from: parts of entities, told apart by where they are, how many rows of each, and how far ahead. A
/// backtest asks for the same lesson more than once, for figures, for delays and for weights, and a forest takes long
/// to grow.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lesson {
    parts: Vec<(usize, Range<usize>, usize)>,
    horizon: usize,
}

impl Lesson {
    fn of(spans: &[Span<'_>], horizon: usize) -> Self {
        let place = |entity: &Entity| std::ptr::from_ref(entity) as usize;
        let parts =
            spans.iter().map(|span| (place(span.entity), span.part.clone(), span.rows.len())).collect();
        Self { parts, horizon }
    }
}

struct Ready {
    learnt: Arc<Estimator>,
    rowing: Rowing,
    sample_s: u64,
    horizon: usize,
    tables: Arc<Tables>,
}

impl Fleet {
    /// A model by this recipe, for the entities of this data set. `every` is every how many rows one is learnt from:
    /// neighbours in time say nearly the same.
    pub fn new(name: &str, data: &Dataset, recipe: Recipe, every: usize) -> Self {
        let rowing = match data.protocol {
            Protocol::Hubsim => Rowing::Hub(Schema::telemetry()),
            Protocol::Smd => Rowing::Machine { columns: data.columns.len() },
        };
        let sample_s = data.settings.sample.as_secs();
        let (tables, lessons) = (Arc::default(), Mutex::default());
        Self { name: name.to_owned(), recipe, rowing, every, sample_s, tables, lessons }
    }

    /// Another recipe for the same rows, which are made only once.
    pub fn beside(&self, name: &str, recipe: Recipe, every: usize) -> Self {
        let (rowing, sample_s, tables) = (self.rowing.clone(), self.sample_s, Arc::clone(&self.tables));
        let lessons = Mutex::default();
        Self { name: name.to_owned(), recipe, rowing, every, sample_s, tables, lessons }
    }

    /// A whole model of hubs, judged on the same rows.
    pub fn beside_taught<'a>(&self, name: &'a str, model: Arc<Model>) -> Taught<'a> {
        Taught::beside(name, model, Arc::clone(&self.tables))
    }

    /// The names of a row's numbers.
    pub fn feature_names(&self) -> Vec<String> {
        match &self.rowing {
            Rowing::Hub(schema) => schema.names(),
            Rowing::Machine { .. } => Columns::names().iter().map(ToString::to_string).collect(),
        }
    }

    /// The model of these spans; fitted once.
    ///
    /// # Errors
    /// Nothing can be learnt from them.
    pub fn learn(&self, spans: &[Span<'_>], horizon: usize) -> Result<Arc<Estimator>, Unfit> {
        let lesson = Lesson::of(spans, horizon);
        let known = |lessons: &[(Lesson, Arc<Estimator>)]| {
            lessons.iter().find(|(known, _)| *known == lesson).map(|(_, learnt)| Arc::clone(learnt))
        };
        if let Some(learnt) = known(&self.lessons()) {
            return Ok(learnt);
        }
        // Not under the lock: folds are learnt side by side.
        let learnt = Arc::new(self.fitted(spans, horizon)?);
        self.lessons().push((lesson, Arc::clone(&learnt)));
        Ok(learnt)
    }

    fn lessons(&self) -> MutexGuard<'_, Vec<(Lesson, Arc<Estimator>)>> {
        self.lessons.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fitted(&self, spans: &[Span<'_>], horizon: usize) -> Result<Estimator, Unfit> {
        let parts = spans.iter().map(|span| self.examples(span, horizon)).collect::<Result<Vec<_>, _>>()?;
        let pooled =
            Examples::pooled(&parts, self.every).ok_or_else(|| unfit("there is nothing to fit on"))?;
        self.recipe.fit(&pooled.map_err(unfit)?).map_err(unfit)
    }

    fn examples(&self, span: &Span<'_>, horizon: usize) -> Result<Examples, Unfit> {
        let make = |entity: &Entity, at: &[usize]| known(&self.rowing, self.sample_s, horizon, entity, at);
        let table = self.tables.of(span, self.rowing.depends_on(horizon), make)?;
        let mut examples = Examples::new(table.width()).map_err(unfit)?;
        for at in &span.rows {
            let came = span.entity.timeline.fails_within(*at, horizon);
            examples.push(row_of(&table, *at)?, came).map_err(unfit)?;
        }
        Ok(examples)
    }
}

impl Scorer for Fleet {
    fn name(&self) -> &str {
        &self.name
    }

    fn scale(&self) -> Scale {
        Scale::Scores
    }

    fn fit(&self, spans: &[Span<'_>], horizon: usize) -> Result<Box<dyn Fitted>, Unfit> {
        Ok(Box::new(Ready {
            learnt: self.learn(spans, horizon)?,
            rowing: self.rowing.clone(),
            sample_s: self.sample_s,
            horizon,
            tables: Arc::clone(&self.tables),
        }))
    }
}

impl Fitted for Ready {
    fn score(&self, span: &Span<'_>) -> Result<Vec<f64>, Unfit> {
        let make =
            |entity: &Entity, at: &[usize]| known(&self.rowing, self.sample_s, self.horizon, entity, at);
        let table = self.tables.of(span, self.rowing.depends_on(self.horizon), make)?;
        table.said(&span.rows, |row| Ok(f64::from(self.learnt.predict(row).map_err(unfit)?)))
    }
}

/// What is known of an entity at these samples.
pub(super) fn known(
    rowing: &Rowing,
    sample_s: u64,
    horizon: usize,
    entity: &Entity,
    at: &[usize],
) -> Result<Known, Unfit> {
    match rowing {
        Rowing::Hub(schema) => {
            let samples = entity.samples().ok_or_else(|| unfit("its columns are not those of a hub"))?;
            let samples: Vec<_> = samples.collect();
            let starts: Vec<_> = entity.timeline.episodes().iter().map(|episode| episode.start).collect();
            let series = Series { minutes: &[], samples: &samples, begin: 0, starts: &starts, around: &[] };
            // What came of a row is asked later, for each horizon.
            let examples = series.examples(schema, at.iter().map(|at| (*at, false))).map_err(unfit)?;
            let jumped = at.iter().map(|at| series.has_jumped(*at)).collect();
            Ok(Known { rows: examples.rows().clone(), jumped })
        }
        Rowing::Machine { columns } => {
            let mut machine = Columns::new(*columns).map_err(unfit)?;
            let mut past = Past::new(entity, sample_s);
            let mut rows = Rows::new(Columns::names().len()).map_err(unfit)?;
            let (mut next, mut row) = (0, Vec::new());
            for at in at {
                for values in (next..=*at).map(|at| entity.row(at)) {
                    machine.push(values).map_err(unfit)?;
                }
                next = at + 1;
                let now = past.at(*at);
                machine.vector(&past.known, now, horizon as u64 * sample_s, &mut row);
                rows.push(&row).map_err(unfit)?;
            }
            Ok(rows.into())
        }
    }
}
