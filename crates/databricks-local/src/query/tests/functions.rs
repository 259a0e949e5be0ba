//! The functions of single values, one by one.

use super::check;

#[tokio::test]
async fn text() {
    check(&[
        ("SELECT upper('aé'), lower('AÉ'), initcap('ab CD'), ucase('a'), lcase('A')", "STRING,STRING,STRING,STRING,STRING: AÉ,aé,Ab Cd,A,a"),
        ("SELECT reverse('abé'), length('abé'), len(123), char_length('a'), character_length('a'), octet_length('é')", "STRING,INT,INT,INT,INT,INT: éba,3,3,1,1,2"),
        ("SELECT substring('hello', 2, 3), substr('hello', -3), substring('hello', 0, 2)", "STRING,STRING,STRING: ell,llo,he"),
        ("SELECT substring('hello' FROM 2 FOR 1), substring('hi', 5), substring('hi', 1, -1)", "STRING,STRING,STRING: e,,"),
        ("SELECT left('abc', 2), right('abc', 2), left('abc', -1), repeat('ab', 2)", "STRING,STRING,STRING,STRING: ab,bc,,abab"),
        ("SELECT replace('aXbX', 'X', '-'), replace('a', '', 'b'), translate('abc', 'ab', '1')", "STRING,STRING,STRING: a-b-,a,1c"),
        ("SELECT lpad('5', 3, '0'), rpad('5', 3, 'ab'), lpad('abc', 2, 'x'), lpad('a', 2)", "STRING,STRING,STRING,STRING: 005,5ab,ab, a"),
        ("SELECT instr('abc', 'c'), locate('b', 'abc'), position('z' IN 'abc'), charindex('a', 'abc')", "INT,INT,INT,INT: 3,2,0,1"),
        ("SELECT startswith('abc', 'ab'), endswith('abc', 'bc'), contains('abc', 'x')", "BOOLEAN,BOOLEAN,BOOLEAN: true,true,false"),
        ("SELECT ascii('A'), ascii(''), split_part('a,b,c', ',', -1), split_part('a', ',', 2)", "INT,INT,STRING,STRING: 65,0,c,"),
        ("SELECT split_part('a', ',', 0)", "[INVALID_INDEX_OF_ZERO] 22003"),
        ("SELECT trim('  a '), ltrim('  a'), rtrim('a '), btrim(' a ')", "STRING,STRING,STRING,STRING: a,a,a,a"),
        ("SELECT trim(BOTH 'x' FROM 'xax'), trim(LEADING 'x' FROM 'xax'), rtrim('x', 'xax')", "STRING,STRING,STRING: a,ax,xa"),
        ("SELECT concat('a', 1, 'b'), concat('a', NULL), concat_ws('-', 'a', NULL, 'b')", "STRING,STRING,STRING: a1b,NULL,a-b"),
        ("SELECT upper(name) FROM t ORDER BY Id", "STRING: NULL; ANN; BOB; CY D"),
        ("SELECT upper()", "[WRONG_NUM_ARGS.WITHOUT_SUGGESTION] 42605"),
        ("SELECT left('abc', 1.5)", "[DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE] 42K09"),
        ("SELECT typeof(1), typeof('a'), typeof(1.5)", "STRING,STRING,STRING: int,string,decimal(2,1)"),
        ("SELECT isnull(NULL), isnotnull(NULL), string(1), int('2'), bigint(1), double(1), float(1), boolean('t')", "BOOLEAN,BOOLEAN,STRING,INT,BIGINT,DOUBLE,FLOAT,BOOLEAN: true,false,1,2,1,1.0,1.0,true"),
    ])
    .await;
}

#[tokio::test]
async fn dates_and_timestamps() {
    check(&[
        ("SELECT year(day), quarter(day), month(day), day(day), dayofmonth(day) FROM t WHERE Id = 1", "INT,INT,INT,INT,INT: 2024,1,2,29,29"),
        ("SELECT dayofweek('2024-02-25'), dayofweek('2024-02-24'), weekday('2024-02-26'), dayofyear('2024-12-31')", "INT,INT,INT,INT: 1,7,0,366"),
        ("SELECT weekofyear('2021-01-03'), last_day('2024-02-01'), month('1969-12-31')", "INT,DATE,INT: 53,2024-02-29,12"),
        ("SELECT hour(at), minute(at), second(at) FROM t WHERE Id IN (1, 3) ORDER BY Id", "INT,INT,INT: 13,54,56; 23,59,59"),
        ("SELECT date_add('2024-02-28', 2), date_sub(DATE '2024-03-01', 1), dateadd(DAY, 1, DATE '2024-01-01')", "DATE,DATE,TIMESTAMP: 2024-03-01,2024-02-29,2024-01-02T00:00:00Z"),
        ("SELECT datediff('2024-03-01', '2024-02-28'), date_diff(at, day) FROM t WHERE Id = 1", "INT,INT: 2,0"),
        ("SELECT add_months('2024-01-31', 1), add_months('2024-02-29', -12)", "DATE,DATE: 2024-02-29,2023-02-28"),
        ("SELECT trunc('2024-05-17', 'MM'), trunc('2024-05-17', 'week'), trunc('2024-05-17', 'x')", "DATE,DATE,DATE: 2024-05-01,2024-05-13,NULL"),
        ("SELECT date_trunc('MONTH', at), date_trunc('hour', at), date_trunc('QUARTER', day) FROM t WHERE Id = 1", "TIMESTAMP,TIMESTAMP,TIMESTAMP: 2024-02-01T00:00:00Z,2024-02-29T13:00:00Z,2024-01-01T00:00:00Z"),
        ("SELECT date_format(at, 'yyyy-MM-dd HH:mm:ss.SSS'), date_format(day, \"d\") FROM t WHERE Id = 1", "[UNSUPPORTED_FEATURE.LOCAL_WORKSPACE] 0A000"),
        ("SELECT date_format(at, 'yyyy/MM/dd HH:mm:ss.SSS E') FROM t WHERE Id = 1", "STRING: 2024/02/29 13:54:56.789 Thu"),
        ("SELECT to_date('2024-01-05'), to_date('05/01/2024', 'dd/MM/yyyy'), date('2024-01-05')", "DATE,DATE,DATE: 2024-01-05,2024-01-05,2024-01-05"),
        ("SELECT to_date('5/1/2024', 'dd/MM/yyyy')", "[CANNOT_PARSE_TIMESTAMP] 22007"),
        ("SELECT to_timestamp('2024-01-05 01:02:03'), to_timestamp('20240105', 'yyyyMMdd'), timestamp('2024-01-05')", "TIMESTAMP,TIMESTAMP,TIMESTAMP: 2024-01-05T01:02:03Z,2024-01-05T00:00:00Z,2024-01-05T00:00:00Z"),
        ("SELECT unix_seconds(at), unix_millis(at), unix_micros(at) FROM t WHERE Id = 3", "BIGINT,BIGINT,BIGINT: -1,-1,-1"),
        ("SELECT unix_date('1970-01-02'), date_from_unix_date(1), make_date(2024, 2, 29)", "INT,DATE,DATE: 1,1970-01-02,2024-02-29"),
        ("SELECT make_date(2023, 2, 29)", "[DATETIME_FIELD_OUT_OF_BOUNDS] 22023"),
        ("SELECT timestamp_seconds(1), timestamp_millis(1), timestamp_micros(1)", "TIMESTAMP,TIMESTAMP,TIMESTAMP: 1970-01-01T00:00:01Z,1970-01-01T00:00:00.001Z,1970-01-01T00:00:00.000001Z"),
        ("SELECT EXTRACT(YEAR FROM day), date_part('month', day) FROM t WHERE Id = 1", "INT,INT: 2024,2"),
        ("SELECT current_date = current_date(), current_timestamp() = now()", "BOOLEAN,BOOLEAN: true,true"),
        ("SELECT timestampadd(MONTH, 1, TIMESTAMP '2024-01-31'), datepart('day', DATE '2024-01-31')", "TIMESTAMP,INT: 2024-02-29T00:00:00Z,31"),
        ("SELECT array_size(array(1, 2)), cardinality(array(1)), position('b', 'abc')", "INT,INT,INT: 2,1,2"),
        ("SELECT year(1)", "[DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE] 42K09"),
    ])
    .await;
}

#[tokio::test]
async fn numbers() {
    check(&[
        (
            "SELECT abs(-1), abs(-1.5), abs(-1.5D), negative(1), positive(-1)",
            "INT,DECIMAL(2,1),DOUBLE,INT,INT: 1,1.5,1.5,-1,-1",
        ),
        ("SELECT abs(-2147483648)", "[ARITHMETIC_OVERFLOW] 22003"),
        (
            "SELECT ceil(1.2), floor(-1.2), ceil(1.2D), floor(-1.2D), ceiling(5)",
            "DECIMAL(2,0),DECIMAL(2,0),BIGINT,BIGINT,BIGINT: 2,-2,2,-2,5",
        ),
        (
            "SELECT round(2.5), round(-2.5), round(2.675D, 2), round(15, -1), round(1.255, 2), round(2.5D)",
            "DECIMAL(2,0),DECIMAL(2,0),DOUBLE,INT,DECIMAL(4,2),DOUBLE: 3,-3,2.68,20,1.26,3.0",
        ),
        ("SELECT round(2147483647, -1)", "[CAST_OVERFLOW] 22003"),
        (
            "SELECT sqrt(4), cbrt(27), exp(0), ln(1), log10(100), log2(8), log(2, 8)",
            "DOUBLE,DOUBLE,DOUBLE,DOUBLE,DOUBLE,DOUBLE,DOUBLE: 2.0,3.0,1.0,0.0,2.0,3.0,3.0",
        ),
        (
            "SELECT ln(0), sqrt(-1), log(0), pow(2, 10), power(4, 0.5)",
            "DOUBLE,DOUBLE,DOUBLE,DOUBLE,DOUBLE: NULL,NaN,NULL,1024.0,2.0",
        ),
        (
            "SELECT mod(7, 3), pmod(-7, 3), sign(-5), signum(0), isnan(double('NaN')), isnan(NULL)",
            "INT,INT,DOUBLE,DOUBLE,BOOLEAN,BOOLEAN: 1,2,-1.0,0.0,true,false",
        ),
        (
            "SELECT sin(0), cos(0), tan(0), atan2(0, 1), degrees(pi()), radians(0), e() > 2.7",
            "DOUBLE,DOUBLE,DOUBLE,DOUBLE,DOUBLE,DOUBLE,BOOLEAN: 0.0,1.0,0.0,0.0,180.0,0.0,true",
        ),
        ("SELECT pmod(1, 0)", "[DIVIDE_BY_ZERO] 22012"),
    ])
    .await;
}
