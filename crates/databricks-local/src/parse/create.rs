//! CREATE and DROP of catalogs, schemas, volumes and tables.

use sqlparser::tokenizer::Token;

use super::alter;
use super::command::{
    CloneTable, ColumnDefinition, Command, CreateObject, CreateTable, DropObject, Name, PrimaryKey,
};
use super::cursor::Cursor;
use super::maintain;
use super::refused;
use crate::error::{LocalError, Result};

pub(super) fn create(cursor: &mut Cursor) -> Result<Command> {
    let or_replace = cursor.word("REPLACE") || {
        cursor.expect_words(&["CREATE"])?;
        cursor.words(&["OR", "REPLACE"])
    };
    if cursor.word("TABLE") {
        return create_table(cursor, or_replace);
    }
    if or_replace {
        return Err(refused::object("CREATE OR REPLACE", cursor));
    }
    if cursor.word("CATALOG") {
        return Ok(Command::CreateCatalog(create_object(cursor, 1)?));
    }
    if cursor.word("SCHEMA") || cursor.word("DATABASE") {
        return Ok(Command::CreateSchema(create_object(cursor, 2)?));
    }
    if cursor.word("VOLUME") {
        return Ok(Command::CreateVolume(create_object(cursor, 3)?));
    }
    Err(refused::object("CREATE", cursor))
}

fn create_object(cursor: &mut Cursor, parts: usize) -> Result<CreateObject> {
    let if_not_exists = cursor.words(&["IF", "NOT", "EXISTS"]);
    let name = cursor.name(parts)?;
    let comment = if cursor.word("COMMENT") { Some(cursor.string()?) } else { None };
    if !cursor.at_end() {
        let clauses = [
            "MANAGED",
            "LOCATION",
            "WITH",
            "DEFAULT",
            "OPTIONS",
            "USING",
            "COMMENT",
            "DBPROPERTIES",
            "RETAIN",
        ];
        return Err(refused::clause("CREATE", &clauses, cursor));
    }
    Ok(CreateObject { name, if_not_exists, comment })
}

pub(super) fn drop(cursor: &mut Cursor) -> Result<Command> {
    cursor.expect_words(&["DROP"])?;
    if cursor.word("TABLE") {
        let if_exists = cursor.words(&["IF", "EXISTS"]);
        let name = cursor.table()?;
        return Ok(Command::DropTable { name, if_exists });
    }
    if cursor.word("CATALOG") {
        return Ok(Command::DropCatalog(drop_object(cursor, 1)?));
    }
    if cursor.word("SCHEMA") || cursor.word("DATABASE") {
        return Ok(Command::DropSchema(drop_object(cursor, 2)?));
    }
    if cursor.word("VOLUME") {
        return Ok(Command::DropVolume(drop_object(cursor, 3)?));
    }
    Err(refused::object("DROP", cursor))
}

fn drop_object(cursor: &mut Cursor, parts: usize) -> Result<DropObject> {
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let name = cursor.name(parts)?;
    let cascade = cursor.word("CASCADE");
    if !cascade {
        cursor.word("RESTRICT");
    }
    Ok(DropObject { name, if_exists, cascade })
}

fn create_table(cursor: &mut Cursor, or_replace: bool) -> Result<Command> {
    let if_not_exists = cursor.words(&["IF", "NOT", "EXISTS"]);
    let name = cursor.table()?;
    let shallow = cursor.words(&["SHALLOW", "CLONE"]);
    if shallow || cursor.words(&["DEEP", "CLONE"]) || cursor.word("CLONE") {
        let clone = clone_table(cursor, name, if_not_exists, or_replace, shallow)?;
        return Ok(Command::CloneTable(Box::new(clone)));
    }
    let mut table = CreateTable {
        if_not_exists,
        name,
        or_replace,
        columns: Vec::new(),
        primary_key: PrimaryKey::default(),
        comment: None,
        properties: Vec::new(),
        partitioned_by: Vec::new(),
        cluster_by: Vec::new(),
        as_query: None,
    };
    if cursor.next_is(&Token::LParen) {
        table_elements(cursor, &mut table)?;
    }
    while table_clause(cursor, &mut table)? {}
    if cursor.word("AS") || matches!(cursor.peek_word().as_deref(), Some("SELECT" | "WITH" | "VALUES")) {
        table.as_query = Some(cursor.query()?);
    }
    if !cursor.at_end() {
        let known = ["LOCATION", "OPTIONS", "LIKE", "CLUSTERED", "ROW", "STORED", "DEFAULT", "WITH"];
        return Err(refused::clause("CREATE TABLE", &known, cursor));
    }
    no_schema_twice(&table)?;
    Ok(Command::CreateTable(Box::new(table)))
}

fn clone_table(
    cursor: &mut Cursor,
    name: Name,
    if_not_exists: bool,
    or_replace: bool,
    shallow: bool,
) -> Result<CloneTable> {
    let source = cursor.table()?;
    let at = maintain::time_travel(cursor)?;
    let properties = if cursor.word("TBLPROPERTIES") { cursor.options()? } else { Vec::new() };
    if !cursor.at_end() {
        return Err(refused::clause("CREATE TABLE .. CLONE", &["LOCATION"], cursor));
    }
    Ok(CloneTable { name, if_not_exists, or_replace, shallow, source, at, properties })
}

fn no_schema_twice(table: &CreateTable) -> Result<()> {
    match (&table.as_query, table.columns.is_empty()) {
        (Some(_), false) => {
            Err(LocalError::unsupported_feature("CREATE TABLE with a column list AS a query"))
        }
        (None, true) => Err(LocalError::unsupported_feature("CREATE TABLE without columns")),
        _ => Ok(()),
    }
}

/// One clause after the columns, in any order; false when none comes next.
fn table_clause(cursor: &mut Cursor, table: &mut CreateTable) -> Result<bool> {
    if cursor.word("USING") {
        let format = cursor.identifier()?;
        if !format.eq_ignore_ascii_case("delta") {
            return Err(LocalError::unsupported_feature(format!("CREATE TABLE USING {format}")));
        }
    } else if cursor.word("COMMENT") {
        table.comment = Some(cursor.string()?);
    } else if cursor.word("TBLPROPERTIES") {
        table.properties = cursor.options()?;
    } else if cursor.words(&["PARTITIONED", "BY"]) {
        table.partitioned_by = cursor.parenthesized(partition_column)?;
    } else if cursor.words(&["CLUSTER", "BY"]) {
        table.cluster_by = alter::clustering(cursor)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn partition_column(cursor: &mut Cursor) -> Result<String> {
    let column = cursor.identifier()?;
    if cursor.next_is(&Token::Comma) || cursor.next_is(&Token::RParen) {
        return Ok(column);
    }
    if cursor.next_is(&Token::LParen) {
        return Err(LocalError::unsupported_feature(format!("PARTITIONED BY {column}(..)")));
    }
    Err(LocalError::unsupported_feature("PARTITIONED BY with a column type"))
}

fn table_elements(cursor: &mut Cursor, table: &mut CreateTable) -> Result<()> {
    cursor.expect(&Token::LParen)?;
    loop {
        if cursor.words(&["CONSTRAINT"]) {
            let name = cursor.identifier()?;
            table.primary_key = constraint(cursor, Some(name))?;
        } else if cursor.peek_word().as_deref() == Some("PRIMARY")
            && cursor.peek_nth_word(1).as_deref() == Some("KEY")
        {
            table.primary_key = constraint(cursor, None)?;
        } else {
            let column = column(cursor, &mut table.primary_key)?;
            table.columns.push(column);
        }
        if !cursor.token(&Token::Comma) {
            return cursor.expect(&Token::RParen);
        }
    }
}

/// `PRIMARY KEY (a, b TIMESERIES)`: informational on Databricks, and kept.
fn constraint(cursor: &mut Cursor, name: Option<String>) -> Result<PrimaryKey> {
    if !cursor.words(&["PRIMARY", "KEY"]) {
        return Err(refused::clause("CREATE TABLE", &["FOREIGN", "CHECK"], cursor));
    }
    let columns = cursor.parenthesized(|cursor| Ok((cursor.identifier()?, cursor.word("TIMESERIES"))))?;
    constraint_options(cursor);
    let timeseries =
        columns.iter().filter(|(_, of_time)| *of_time).map(|(column, _)| column.clone()).collect();
    Ok(PrimaryKey { name, columns: columns.into_iter().map(|(column, _)| column).collect(), timeseries })
}

fn constraint_options(cursor: &mut Cursor) {
    const OPTIONS: [&[&str]; 5] =
        [&["NOT", "ENFORCED"], &["DEFERRABLE"], &["INITIALLY", "DEFERRED"], &["NORELY"], &["RELY"]];
    while OPTIONS.iter().any(|option| cursor.words(option)) {}
}

fn column(cursor: &mut Cursor, primary_key: &mut PrimaryKey) -> Result<ColumnDefinition> {
    let name = cursor.identifier()?;
    let data_type = cursor.data_type()?;
    let mut column = ColumnDefinition { name, data_type, nullable: true, comment: None, default: None };
    loop {
        if cursor.words(&["NOT", "NULL"]) {
            column.nullable = false;
        } else if cursor.word("COMMENT") {
            column.comment = Some(cursor.string()?);
        } else if cursor.word("DEFAULT") {
            column.default = Some(cursor.default_value()?);
        } else if cursor.words(&["PRIMARY", "KEY"]) {
            primary_key.columns.push(column.name.clone());
            constraint_options(cursor);
        } else if cursor.next_is(&Token::Comma) || cursor.next_is(&Token::RParen) {
            return Ok(column);
        } else {
            let known = ["GENERATED", "REFERENCES", "FOREIGN", "CONSTRAINT", "CHECK", "MASK", "COLLATE"];
            return Err(refused::clause("a column of CREATE TABLE", &known, cursor));
        }
    }
}
