//! The source of a stream's notebook.

use super::python::literal;
use super::{OptionValue, Source, StreamingJob, Trigger};

/// What stands for the step before in a query.
pub(super) const INPUT: &str = "{input}";

/// The view of a step.
fn view(step: usize) -> String {
    format!("databricks_jobs_step_{step}")
}

/// The notebook of a stream that was checked.
pub(super) fn source(job: &StreamingJob) -> String {
    let mut cells = vec![format!("# Databricks notebook source\nframe = (\n    {}\n)", reader(job))];
    cells.extend(job.steps.iter().enumerate().map(|(step, sql)| {
        // Each step has a view of its own: a view that is replaced would be resolved anew, to itself.
        let sql = literal(&sql.replace(INPUT, &view(step)));
        format!("frame.createOrReplaceTempView({})\nframe = spark.sql({sql})", literal(&view(step)))
    }));
    cells.push(format!("query = (\n    {}\n)", writer(job)));
    cells.push("query.awaitTermination()".to_owned());
    cells.join("\n\n# COMMAND ----------\n\n") + "\n"
}

fn reader(job: &StreamingJob) -> String {
    let mut calls = vec!["spark.readStream".to_owned()];
    let own = match &job.source {
        Source::Delta { .. } => Vec::new(),
        Source::Kafka { servers, topics } => vec![
            call("format", ["kafka"]),
            call("option", ["kafka.bootstrap.servers", servers]),
            call("option", ["subscribe", &topics.join(",")]),
        ],
        Source::Files { format, .. } => vec![
            call("format", ["cloudFiles"]),
            call("option", ["cloudFiles.format", format]),
            call("option", ["cloudFiles.schemaLocation", job.checkpoint.as_deref().unwrap_or_default()]),
        ],
    };
    calls.extend(own);
    calls.extend(job.options.iter().map(option));
    calls.push(match &job.source {
        Source::Delta { table } => call("table", [table]),
        Source::Kafka { .. } => call::<0>("load", []),
        Source::Files { path, .. } => call("load", [path]),
    });
    calls.join("\n    ")
}

fn writer(job: &StreamingJob) -> String {
    let mut calls = vec![
        "frame.writeStream".to_owned(),
        call("format", ["delta"]),
        call("outputMode", ["append"]),
        call("option", ["checkpointLocation", job.checkpoint.as_deref().unwrap_or_default()]),
    ];
    calls.extend(job.sink_options.iter().map(option));
    calls.push(match job.trigger {
        Trigger::AvailableNow => ".trigger(availableNow=True)".to_owned(),
        Trigger::Once => ".trigger(once=True)".to_owned(),
        Trigger::Interval(interval) => {
            format!(".trigger(processingTime={})", literal(&format!("{} milliseconds", interval.as_millis())))
        }
        Trigger::Continuous => format!(".trigger(processingTime={})", literal("0 seconds")),
    });
    calls.push(call("toTable", [job.sink.as_deref().unwrap_or_default()]));
    calls.join("\n    ")
}

fn call<const N: usize>(method: &str, texts: [&str; N]) -> String {
    format!(".{method}({})", texts.map(literal).join(", "))
}

fn option((name, value): &(String, OptionValue)) -> String {
    let value = match value {
        OptionValue::Text(text) => literal(text),
        OptionValue::Secret { scope, key } => {
            format!("dbutils.secrets.get({}, {})", literal(scope), literal(key))
        }
    };
    format!(".option({}, {value})", literal(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::ClusterSpec;

    fn sound(job: StreamingJob) -> StreamingJob {
        job.to_delta("main.sales.orders").checkpoint("/Volumes/main/ops/checkpoints/orders")
    }

    #[test]
    fn a_notebook_reads_transforms_and_writes() {
        let job = sound(StreamingJob::from_kafka("orders", "b1:9092,b2:9092", ["orders"]))
            .option("startingOffsets", "earliest")
            .option_from_secret("kafka.sasl.jaas.config", "kafka", "jaas")
            .transform("SELECT CAST(value AS STRING) AS body FROM {input}")
            .transform("SELECT body:id AS id FROM {input} WHERE body <> '{}'")
            .sink_option("mergeSchema", "true");
        insta::assert_snapshot!(job.notebook_source().unwrap());
    }

    #[test]
    fn files_and_tables_are_sources_too_and_every_trigger_has_its_call() {
        let files = sound(StreamingJob::from_files("f", "/Volumes/main/raw/in", "json")).trigger_once();
        let on_cluster = |job: StreamingJob| job.on_cluster(ClusterSpec::small());
        let delta = sound(StreamingJob::from_delta("d", "main.raw.events"));
        let sources = [
            files,
            on_cluster(delta.clone()).trigger_interval(Duration::from_secs(90)),
            on_cluster(delta).continuous(),
        ];
        let sources: Vec<String> = sources.iter().map(|job| job.notebook_source().unwrap()).collect();
        insta::assert_snapshot!(sources.join("=====\n"));
    }

    #[test]
    fn hostile_texts_stay_inside_of_their_literals() {
        let hostile = "x\")\n\n# COMMAND ----------\n\nimport os; os.system(\"rm -rf /\")\n# MAGIC %sh id\u{2028}\r'''\\";
        let job = StreamingJob::from_kafka("n", hostile, [hostile])
            .option(hostile, hostile)
            .option_from_secret(hostile, hostile, hostile)
            .transform(format!("{hostile} {INPUT}"))
            .to_delta(hostile)
            .checkpoint(hostile)
            .sink_option(hostile, hostile);
        let tame = StreamingJob::from_kafka("n", "t", ["t"])
            .option("t", "t")
            .option_from_secret("t", "t", "t")
            .transform(INPUT)
            .to_delta("t")
            .checkpoint("t")
            .sink_option("t", "t");
        let (hostile, tame) = (job.notebook_source().unwrap(), tame.notebook_source().unwrap());
        assert_eq!(hostile.lines().count(), tame.lines().count());
        assert!(
            hostile
                .lines()
                .filter(|line| line.starts_with('#'))
                .eq(tame.lines().filter(|l| l.starts_with('#')))
        );
        assert!(hostile.is_ascii());
    }
}
