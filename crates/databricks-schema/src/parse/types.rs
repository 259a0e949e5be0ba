//! The grammar of data types.

use super::lexer::{Lexer, Token};
use crate::{DataType, IntervalKind, MAX_DEPTH, Result, SchemaError, Srid, StructField};

/// Reads one type and nothing after it.
pub(crate) fn data_type(text: &str) -> Result<DataType> {
    let mut lexer = Lexer::new(text)?;
    let data_type = read_type(&mut lexer, 0)?;
    match lexer.peek() {
        Token::End => Ok(data_type),
        _ => Err(lexer.unexpected("the end of the type")),
    }
}

/// Reads a type that stands `depth` levels inside others.
pub(super) fn read_type(lexer: &mut Lexer<'_>, depth: usize) -> Result<DataType> {
    if depth > MAX_DEPTH {
        return Err(SchemaError::TypeTooDeep { limit: MAX_DEPTH });
    }
    let Token::Word(name) = lexer.peek().clone() else {
        return Err(lexer.unexpected("a type"));
    };
    // Errors about the name must point at it, so it is taken only once it is known.
    let name = name.to_ascii_uppercase();
    if let Some(simple) = simple_type(&name) {
        lexer.next()?;
        return Ok(simple);
    }
    match name.as_str() {
        "STRING" => string(lexer),
        "TIMESTAMP" => timestamp(lexer),
        "DECIMAL" | "DEC" | "NUMERIC" => decimal(lexer),
        "CHAR" | "CHARACTER" => Ok(DataType::Char(length(lexer)?)),
        "VARCHAR" => Ok(DataType::Varchar(length(lexer)?)),
        "INTERVAL" => interval(lexer),
        "GEOGRAPHY" => Ok(DataType::Geography(srid(lexer)?)),
        "GEOMETRY" => Ok(DataType::Geometry(srid(lexer)?)),
        "ARRAY" => array(lexer, depth),
        "MAP" => map(lexer, depth),
        "STRUCT" => structure(lexer, depth),
        _ => Err(lexer.fault(format!("no such type: `{name}`; see the list of Databricks SQL data types"))),
    }
}

/// The types that are one word, with their synonyms.
fn simple_type(name: &str) -> Option<DataType> {
    Some(match name {
        "TINYINT" | "BYTE" => DataType::TinyInt,
        "SMALLINT" | "SHORT" => DataType::SmallInt,
        "INT" | "INTEGER" => DataType::Int,
        "BIGINT" | "LONG" => DataType::BigInt,
        "FLOAT" | "REAL" => DataType::Float,
        "DOUBLE" => DataType::Double,
        "BOOLEAN" => DataType::Boolean,
        "BINARY" => DataType::Binary,
        "DATE" => DataType::Date,
        "TIMESTAMP_LTZ" => DataType::Timestamp,
        "TIMESTAMP_NTZ" => DataType::TimestampNtz,
        "VARIANT" => DataType::Variant,
        "VOID" => DataType::Void,
        _ => return None,
    })
}

/// `STRING`, or `STRING COLLATE name`, which is kept as text.
fn string(lexer: &mut Lexer<'_>) -> Result<DataType> {
    lexer.next()?;
    if !lexer.take_word("COLLATE")? {
        return Ok(DataType::String);
    }
    let (start, mut end) = (lexer.start(), lexer.end());
    name(lexer)?;
    while lexer.take_mark('.')? {
        end = lexer.end();
        name(lexer)?;
    }
    Ok(DataType::Unknown(format!("STRING COLLATE {}", lexer.text(start, end))))
}

/// `TIMESTAMP`, or `TIMESTAMP WITHOUT TIME ZONE`.
fn timestamp(lexer: &mut Lexer<'_>) -> Result<DataType> {
    lexer.next()?;
    if !lexer.take_word("WITHOUT")? {
        return Ok(DataType::Timestamp);
    }
    lexer.expect_word("TIME")?;
    lexer.expect_word("ZONE")?;
    Ok(DataType::TimestampNtz)
}

/// `DECIMAL`, `DECIMAL(p)` and `DECIMAL(p,s)`; bare, it is `DECIMAL(10,0)`.
fn decimal(lexer: &mut Lexer<'_>) -> Result<DataType> {
    lexer.next()?;
    if !lexer.take_mark('(')? {
        return Ok(DataType::Decimal { precision: 10, scale: 0 });
    }
    let precision = number(lexer, "a precision from 1 to 38", 1, 38)?;
    let scale = if lexer.take_mark(',')? {
        number(lexer, "a scale from 0 to the precision", 0, precision)?
    } else {
        0
    };
    lexer.expect_mark(')')?;
    DataType::decimal(narrow(precision), narrow(scale))
}

/// Numbers that were checked to lie in 0..=38 fit every integer type.
fn narrow<T: TryFrom<u32> + Default>(number: u32) -> T {
    T::try_from(number).unwrap_or_default()
}

fn length(lexer: &mut Lexer<'_>) -> Result<u32> {
    lexer.next()?;
    lexer.expect_mark('(')?;
    let length = number(lexer, "a length of at least 1", 1, i32::MAX.unsigned_abs())?;
    lexer.expect_mark(')')?;
    Ok(length)
}

fn srid(lexer: &mut Lexer<'_>) -> Result<Srid> {
    lexer.next()?;
    lexer.expect_mark('(')?;
    let srid = if lexer.take_word("ANY")? {
        Srid::Any
    } else {
        let id = number(lexer, "an SRID such as 4326, or ANY", 0, i32::MAX.unsigned_abs())?;
        Srid::Id(i32::try_from(id).unwrap_or_default())
    };
    lexer.expect_mark(')')?;
    Ok(srid)
}

fn number(lexer: &mut Lexer<'_>, wanted: &str, least: u32, most: u32) -> Result<u32> {
    let number = match lexer.peek() {
        Token::Word(word) => word.parse().ok().filter(|n| (least..=most).contains(n)),
        _ => None,
    };
    let number = number.ok_or_else(|| lexer.unexpected(wanted))?;
    lexer.next()?;
    Ok(number)
}

fn interval(lexer: &mut Lexer<'_>) -> Result<DataType> {
    const WANTED: &str = "an interval qualifier such as YEAR TO MONTH or DAY TO SECOND";
    lexer.next()?;
    let Token::Word(first) = lexer.peek().clone() else {
        return Err(lexer.unexpected(WANTED));
    };
    if IntervalKind::from_fields(&first, None).is_none() {
        return Err(lexer.unexpected(WANTED));
    }
    lexer.next()?;
    let last = if lexer.take_word("TO")? { Some(lexer.peek().clone()) } else { None };
    let kind = match &last {
        Some(Token::Word(last)) => IntervalKind::from_fields(&first, Some(last)),
        Some(_) => None,
        None => IntervalKind::from_fields(&first, None),
    };
    let kind = kind.ok_or_else(|| lexer.unexpected(WANTED))?;
    if last.is_some() {
        lexer.next()?;
    }
    Ok(DataType::Interval(kind))
}

fn array(lexer: &mut Lexer<'_>, depth: usize) -> Result<DataType> {
    lexer.next()?;
    lexer.expect_mark('<')?;
    let element = read_type(lexer, depth + 1)?;
    close(lexer)?;
    Ok(DataType::array(element))
}

fn map(lexer: &mut Lexer<'_>, depth: usize) -> Result<DataType> {
    lexer.next()?;
    lexer.expect_mark('<')?;
    let key = read_type(lexer, depth + 1)?;
    lexer.expect_mark(',')?;
    let value = read_type(lexer, depth + 1)?;
    close(lexer)?;
    Ok(DataType::map(key, value))
}

fn structure(lexer: &mut Lexer<'_>, depth: usize) -> Result<DataType> {
    lexer.next()?;
    lexer.expect_mark('<')?;
    let mut fields = Vec::new();
    if lexer.take_mark('>')? {
        return Ok(DataType::Struct(fields));
    }
    loop {
        fields.push(field(lexer, depth + 1)?);
        if !lexer.take_mark(',')? {
            close(lexer)?;
            return Ok(DataType::Struct(fields));
        }
    }
}

/// `name: type` or `name type`, then `NOT NULL` and `COMMENT '..'`.
fn field(lexer: &mut Lexer<'_>, depth: usize) -> Result<StructField> {
    let name = name(lexer)?;
    lexer.take_mark(':')?;
    let data_type = read_type(lexer, depth)?;
    let (nullable, comment) = suffix(lexer)?;
    Ok(StructField { name, data_type, nullable, comment })
}

/// A bare or quoted name.
pub(super) fn name(lexer: &mut Lexer<'_>) -> Result<String> {
    match lexer.peek() {
        Token::Word(_) | Token::Quoted(_) => {}
        _ => return Err(lexer.unexpected("a name (put unusual names between backticks)")),
    }
    match lexer.next()? {
        Token::Word(name) | Token::Quoted(name) => Ok(name),
        _ => Ok(String::new()),
    }
}

/// `[NOT NULL] [COMMENT '..']`, in either order, each at most once: whether NULL is allowed, and the comment.
fn suffix(lexer: &mut Lexer<'_>) -> Result<(bool, Option<String>)> {
    let (mut nullable, mut comment) = (true, None);
    loop {
        if nullable && read_not_null(lexer)? {
            nullable = false;
        } else if comment.is_none() && lexer.peek().is_word("COMMENT") {
            comment = read_comment(lexer)?;
        } else {
            return Ok((nullable, comment));
        }
    }
}

/// `NOT NULL`, if it is there.
pub(super) fn read_not_null(lexer: &mut Lexer<'_>) -> Result<bool> {
    let found = lexer.take_word("NOT")?;
    if found {
        lexer.expect_word("NULL")?;
    }
    Ok(found)
}

/// `COMMENT '..'`, if it is there.
pub(super) fn read_comment(lexer: &mut Lexer<'_>) -> Result<Option<String>> {
    if !lexer.take_word("COMMENT")? {
        return Ok(None);
    }
    let Token::Text(text) = lexer.peek().clone() else {
        return Err(lexer.unexpected("a string literal"));
    };
    lexer.next()?;
    Ok(Some(text))
}

fn close(lexer: &mut Lexer<'_>) -> Result<()> {
    lexer.expect_mark('>')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(text: &str, printed: &str) {
        let parsed = data_type(text).unwrap();
        assert_eq!(parsed.to_string(), printed, "{text}");
        assert_eq!(data_type(printed).unwrap(), parsed, "{printed}");
    }

    #[test]
    fn synonyms_and_case_give_one_spelling() {
        for (text, printed) in [
            ("byte", "TINYINT"),
            ("Short", "SMALLINT"),
            ("INTEGER", "INT"),
            ("long", "BIGINT"),
            ("real", "FLOAT"),
            ("dec", "DECIMAL(10,0)"),
            ("numeric(5)", "DECIMAL(5,0)"),
            (" decimal ( 38 , 38 ) ", "DECIMAL(38,38)"),
            ("char(1)", "CHAR(1)"),
            ("varchar(65535)", "VARCHAR(65535)"),
            ("timestamp_ltz", "TIMESTAMP"),
            ("timestamp_ntz", "TIMESTAMP_NTZ"),
            ("timestamp without time zone", "TIMESTAMP_NTZ"),
            ("string collate UTF8_LCASE", "STRING COLLATE UTF8_LCASE"),
            ("interval year", "INTERVAL YEAR"),
            ("interval day to second", "INTERVAL DAY TO SECOND"),
            ("geography(any)", "GEOGRAPHY(ANY)"),
            ("geometry(3857)", "GEOMETRY(3857)"),
            ("variant", "VARIANT"),
            ("void", "VOID"),
        ] {
            check(text, printed);
        }
    }

    #[test]
    fn nested_types_keep_names_nullability_and_comments() {
        for (text, printed) in [
            ("array<array<int>>", "ARRAY<ARRAY<INT>>"),
            ("map<string,array<date>>", "MAP<STRING, ARRAY<DATE>>"),
            ("struct<>", "STRUCT<>"),
            ("struct<a int, B:string>", "STRUCT<a: INT, B: STRING>"),
            (
                "struct<`a b`: int not null comment 'it\\'s', `c``d` int>",
                "STRUCT<`a b`: INT NOT NULL COMMENT 'it\\'s', `c``d`: INT>",
            ),
            ("struct<a int comment 'x' not null>", "STRUCT<a: INT NOT NULL COMMENT 'x'>"),
            (
                "struct<map: map<int,int>, not: int, comment: string comment ''>",
                "STRUCT<map: MAP<INT, INT>, not: INT, comment: STRING COMMENT ''>",
            ),
            ("array -- of\n< /* what */ int >", "ARRAY<INT>"),
            (
                "struct<a string collate system.builtin.UNICODE_CI not null, b:int>",
                "STRUCT<a: STRING COLLATE system.builtin.UNICODE_CI NOT NULL, b: INT>",
            ),
        ] {
            check(text, printed);
        }
    }

    #[test]
    fn faults_are_named_with_their_place() {
        for (text, place, reason) in [
            ("", 0, "expected a type, found the end"),
            ("NUMBER", 0, "no such type: `NUMBER`"),
            ("ARRAY<NUMBER>", 6, "no such type"),
            ("ARRAY<INT", 9, "expected `>`, found the end"),
            ("ARRAY", 5, "expected `<`"),
            ("MAP<INT>", 7, "expected `,`"),
            ("INT INT", 4, "expected the end of the type"),
            ("DECIMAL(39,0)", 8, "a precision from 1 to 38"),
            ("DECIMAL(10,11)", 11, "a scale from 0 to the precision"),
            ("DECIMAL(10,-1)", 11, "a scale"),
            ("VARCHAR", 7, "expected `(`"),
            ("CHAR(0)", 5, "a length of at least 1"),
            ("INTERVAL", 8, "an interval qualifier"),
            ("INTERVAL YEAR TO DAY", 17, "an interval qualifier"),
            ("GEOMETRY", 8, "expected `(`"),
            ("STRUCT<a>", 8, "expected a type"),
            ("STRUCT<a: INT,>", 14, "expected a name"),
            ("STRUCT<a: INT NOT>", 17, "expected NULL"),
            ("STRUCT<a: INT COMMENT x>", 22, "a string literal"),
            ("STRUCT<a: INT NOT NULL NOT NULL>", 23, "expected `>`"),
            ("STRING COLLATE", 14, "expected a name"),
            ("TIMESTAMP WITHOUT ZONE", 18, "expected TIME"),
            ("ARRAY<é>", 6, "no such type"),
        ] {
            match data_type(text).unwrap_err() {
                SchemaError::UnreadableType { position, reason: found, .. } => {
                    assert_eq!(position, place, "{text}: {found}");
                    assert!(found.contains(reason), "{text}: {found}");
                }
                other => assert_eq!(other.to_string(), "", "{text}"),
            }
        }
    }

    #[test]
    fn depth_is_limited_and_long_texts_are_cut() {
        let nest = |depth: usize| format!("{}INT{}", "ARRAY<".repeat(depth), ">".repeat(depth));
        check(&nest(MAX_DEPTH), &nest(MAX_DEPTH));
        for depth in [MAX_DEPTH + 1, 10_000] {
            let error = data_type(&nest(depth)).unwrap_err();
            assert!(matches!(error, SchemaError::TypeTooDeep { limit: MAX_DEPTH }), "{error}");
        }
        let wide = format!("STRUCT<{}>", (0..10_000).map(|n| format!("f{n}: INT, ")).collect::<String>());
        let error = data_type(&wide).unwrap_err().to_string();
        assert!(error.len() < 400, "{error}");
    }
}
