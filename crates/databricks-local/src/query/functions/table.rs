//! Functions a kernel serves: name, parameters, result, kernel. The table is the allow-list.

use arrow::datatypes::DataType;

use super::{wrong_count, wrong_type};
use crate::error::Result;
use crate::query::cast;
use crate::query::kernels::{self, Eval, dates, math, nested, strings};
use crate::query::types::{self, Typed};

/// What an argument is brought to, as Databricks' implicit casts allow.
#[derive(Clone, Copy, Debug)]
enum Param {
    /// Any simple type, as text.
    Text,
    /// INT.
    Int,
    /// BIGINT.
    Long,
    /// Any number or text, as DOUBLE.
    Double,
    /// DATE, or the date of a timestamp or text.
    Date,
    /// TIMESTAMP, or the start of a date, or text.
    Instant,
    /// An array.
    Array,
}

/// What comes back.
#[derive(Clone, Copy, Debug)]
enum Returns {
    Text,
    Int,
    Long,
    Double,
    Boolean,
    Date,
    Instant,
}

/// One entry: its last `optional` parameters may be left out.
struct Entry {
    name: &'static str,
    params: &'static [Param],
    optional: usize,
    returns: Returns,
    eval: Eval,
}

const fn entry(name: &'static str, params: &'static [Param], returns: Returns, eval: Eval) -> Entry {
    Entry { name, params, optional: 0, returns, eval }
}

use Param::{Array, Double, Int, Long, Text};

/// Every function here has rows in the tests of this folder.
const TABLE: &[Entry] = &[
    // Text
    entry("upper", &[Text], Returns::Text, strings::upper),
    entry("ucase", &[Text], Returns::Text, strings::upper),
    entry("lower", &[Text], Returns::Text, strings::lower),
    entry("lcase", &[Text], Returns::Text, strings::lower),
    entry("initcap", &[Text], Returns::Text, strings::initcap),
    entry("reverse", &[Text], Returns::Text, strings::reverse),
    entry("length", &[Text], Returns::Int, strings::length),
    entry("len", &[Text], Returns::Int, strings::length),
    entry("char_length", &[Text], Returns::Int, strings::length),
    entry("character_length", &[Text], Returns::Int, strings::length),
    entry("octet_length", &[Text], Returns::Int, strings::octet_length),
    Entry {
        name: "substring",
        params: &[Text, Int, Int],
        optional: 1,
        returns: Returns::Text,
        eval: strings::substring,
    },
    Entry {
        name: "substr",
        params: &[Text, Int, Int],
        optional: 1,
        returns: Returns::Text,
        eval: strings::substring,
    },
    entry("left", &[Text, Int], Returns::Text, strings::left),
    entry("right", &[Text, Int], Returns::Text, strings::right),
    entry("repeat", &[Text, Int], Returns::Text, strings::repeat),
    entry("replace", &[Text, Text, Text], Returns::Text, strings::replace),
    entry("translate", &[Text, Text, Text], Returns::Text, strings::translate),
    entry("lpad", &[Text, Int, Text], Returns::Text, strings::lpad),
    entry("rpad", &[Text, Int, Text], Returns::Text, strings::rpad),
    entry("instr", &[Text, Text], Returns::Int, strings::instr),
    entry("locate", &[Text, Text], Returns::Int, strings::locate),
    entry("position", &[Text, Text], Returns::Int, strings::locate),
    entry("charindex", &[Text, Text], Returns::Int, strings::locate),
    entry("startswith", &[Text, Text], Returns::Boolean, strings::starts_with),
    entry("endswith", &[Text, Text], Returns::Boolean, strings::ends_with),
    entry("contains", &[Text, Text], Returns::Boolean, strings::contains),
    entry("ascii", &[Text], Returns::Int, strings::ascii),
    entry("split_part", &[Text, Text, Int], Returns::Text, strings::split_part),
    // Dates and timestamps
    entry("year", &[Param::Date], Returns::Int, dates::year),
    entry("quarter", &[Param::Date], Returns::Int, dates::quarter),
    entry("month", &[Param::Date], Returns::Int, dates::month),
    entry("day", &[Param::Date], Returns::Int, dates::day),
    entry("dayofmonth", &[Param::Date], Returns::Int, dates::day),
    entry("dayofweek", &[Param::Date], Returns::Int, dates::day_of_week),
    entry("weekday", &[Param::Date], Returns::Int, dates::weekday),
    entry("dayofyear", &[Param::Date], Returns::Int, dates::day_of_year),
    entry("weekofyear", &[Param::Date], Returns::Int, dates::week_of_year),
    entry("hour", &[Param::Instant], Returns::Int, dates::hour),
    entry("minute", &[Param::Instant], Returns::Int, dates::minute),
    entry("second", &[Param::Instant], Returns::Int, dates::second),
    entry("last_day", &[Param::Date], Returns::Date, dates::last_day),
    entry("datediff", &[Param::Date, Param::Date], Returns::Int, dates::date_diff),
    entry("date_diff", &[Param::Date, Param::Date], Returns::Int, dates::date_diff),
    entry("add_months", &[Param::Date, Int], Returns::Date, dates::add_months),
    entry("trunc", &[Param::Date, Text], Returns::Date, dates::trunc),
    entry("date_trunc", &[Text, Param::Instant], Returns::Instant, dates::date_trunc),
    entry("date_format", &[Param::Instant, Text], Returns::Text, dates::date_format),
    entry("unix_seconds", &[Param::Instant], Returns::Long, dates::unix_seconds),
    entry("unix_millis", &[Param::Instant], Returns::Long, dates::unix_millis),
    entry("unix_micros", &[Param::Instant], Returns::Long, dates::unix_micros),
    entry("unix_date", &[Param::Date], Returns::Int, dates::unix_date),
    entry("date_from_unix_date", &[Int], Returns::Date, dates::date_from_unix_date),
    entry("timestamp_seconds", &[Long], Returns::Instant, dates::timestamp_seconds),
    entry("timestamp_millis", &[Long], Returns::Instant, dates::timestamp_millis),
    entry("timestamp_micros", &[Long], Returns::Instant, dates::timestamp_micros),
    entry("make_date", &[Int, Int, Int], Returns::Date, dates::make_date),
    // Numbers
    entry("sqrt", &[Double], Returns::Double, math::sqrt),
    entry("cbrt", &[Double], Returns::Double, math::cbrt),
    entry("exp", &[Double], Returns::Double, math::exp),
    entry("ln", &[Double], Returns::Double, math::ln),
    entry("log10", &[Double], Returns::Double, math::log10),
    entry("log2", &[Double], Returns::Double, math::log2),
    entry("power", &[Double, Double], Returns::Double, math::power),
    entry("pow", &[Double, Double], Returns::Double, math::power),
    entry("sin", &[Double], Returns::Double, math::sin),
    entry("cos", &[Double], Returns::Double, math::cos),
    entry("tan", &[Double], Returns::Double, math::tan),
    entry("atan2", &[Double, Double], Returns::Double, math::atan2),
    entry("degrees", &[Double], Returns::Double, math::degrees),
    entry("radians", &[Double], Returns::Double, math::radians),
    entry("sign", &[Double], Returns::Double, math::sign),
    entry("signum", &[Double], Returns::Double, math::sign),
    entry("isnan", &[Double], Returns::Boolean, math::is_nan),
    // Arrays
    entry("size", &[Array], Returns::Int, nested::size),
    entry("array_size", &[Array], Returns::Int, nested::size),
    entry("cardinality", &[Array], Returns::Int, nested::size),
];

/// The call, when the table has the name.
pub(super) fn call(function: &str, args: Vec<Typed>) -> Result<Option<Typed>> {
    let Some(entry) = TABLE.iter().find(|e| e.name == function) else { return Ok(None) };
    let most = entry.params.len();
    let least = most - entry.optional;
    if !(least..=most).contains(&args.len()) {
        let expected = if least == most { most.to_string() } else { format!("[{least}, {most}]") };
        return Err(wrong_count(function, &expected, args.len()));
    }
    let args = args
        .into_iter()
        .zip(entry.params)
        .map(|(arg, param)| Ok(argument(function, arg, *param)?.expr))
        .collect::<Result<Vec<_>>>()?;
    let returns = match entry.returns {
        Returns::Text => DataType::Utf8,
        Returns::Int => DataType::Int32,
        Returns::Long => DataType::Int64,
        Returns::Double => DataType::Float64,
        Returns::Boolean => DataType::Boolean,
        Returns::Date => DataType::Date32,
        Returns::Instant => types::timestamp(),
    };
    Ok(Some(kernels::call(entry.name, entry.eval, args, returns)))
}

fn argument(function: &str, value: Typed, param: Param) -> Result<Typed> {
    let value = cast::normal(value);
    let text = types::is_string(&value.ty);
    let null = value.ty == DataType::Null;
    let (fits, to, expected) = match param {
        Param::Text => {
            (types::is_comparable(&value.ty) && !types::is_binary(&value.ty), DataType::Utf8, "STRING")
        }
        Param::Int => {
            let fits = matches!(value.ty, DataType::Int8 | DataType::Int16 | DataType::Int32);
            (fits || text || null, DataType::Int32, "INT")
        }
        Param::Long => (types::is_integer(&value.ty) || text || null, DataType::Int64, "BIGINT"),
        Param::Double => (types::is_numeric(&value.ty) || text || null, DataType::Float64, "DOUBLE"),
        Param::Date => {
            let fits = types::is_date(&value.ty) || types::is_timestamp(&value.ty);
            (fits || text || null, DataType::Date32, "DATE")
        }
        Param::Instant => {
            let fits = types::is_date(&value.ty) || types::is_timestamp(&value.ty);
            (fits || text || null, types::timestamp(), "TIMESTAMP")
        }
        Param::Array => (matches!(value.ty, DataType::List(_)), value.ty.clone(), "ARRAY"),
    };
    if fits { cast::cast(value, &to) } else { Err(wrong_type(function, expected, &value.ty)) }
}

/// `EXTRACT(field FROM value)`.
pub(in crate::query) fn extract(field: &str, value: Typed) -> Result<Typed> {
    let function = match field.to_uppercase().trim_end_matches('S') {
        "YEAR" | "Y" | "YR" => "year",
        "QUARTER" | "QTR" => "quarter",
        "MONTH" | "MON" => "month",
        "WEEK" | "W" => "weekofyear",
        "DAY" | "D" => "day",
        "DAYOFWEEK" | "DOW" => "dayofweek",
        "DOY" => "dayofyear",
        "HOUR" | "HR" | "H" => "hour",
        "MINUTE" | "MIN" | "M" => "minute",
        other => {
            return Err(crate::error::LocalError::unsupported_feature(format!("EXTRACT({other} FROM ..)")));
        }
    };
    super::call(function, vec![value])
}
