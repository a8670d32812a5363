// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables of jobs: CSV with a row of names, JSON Lines, or Parquet. A row is a film.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;

/// A row as it was read: cells by name, those that are empty left out; or why it could not be read.
pub type Row = Result<Vec<(String, String)>, String>;

/// Reads a whole table; what is wrong with a single row is kept in its place.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let named = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(named)?;
    let kind = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    match kind.as_str() {
        "csv" => csv(BufReader::new(file)).with_context(named),
        "jsonl" | "ndjson" => jsonl(file).with_context(named),
        "parquet" => parquet(file).with_context(named),
        _ => bail!("{} is no table: its name must end in .csv, .jsonl or .parquet", path.display()),
    }
}

fn csv(mut file: impl BufRead) -> Result<Vec<Row>> {
    // Spreadsheets write semicolons where numbers have commas; what is read here is not gone.
    let first = file.fill_buf()?.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let between = if !first.contains(&b',') && first.contains(&b';') { b';' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(between).flexible(true).trim(csv::Trim::All).from_reader(file);
    let names = reader.headers()?.clone();
    // Spreadsheets write a mark before the first name.
    let names: Vec<String> =
        names.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
    if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        bail!("two columns are named {:?}", twice.1);
    }
    if let Some(missing) = ["photo", "voice", "output"].iter().find(|name| !names.iter().any(|n| n == *name))
    {
        bail!("its first row names no column {missing:?}, but {}", names.join(", "));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        rows.push(match record {
            Ok(record) if record.len() > names.len() => {
                Err(format!("it has {} cells where {} columns are named", record.len(), names.len()))
            }
            Ok(record) => Ok(cells(names.iter().cloned().zip(record.iter().map(str::to_owned)))),
            Err(error) => Err(error.to_string()),
        });
    }
    Ok(rows)
}

fn jsonl(file: File) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        rows.push(match serde_json::from_str::<Value>(&line) {
            Ok(Value::Object(object)) => object
                .into_iter()
                .map(|(name, value)| scalar(&value).map(|text| (name.clone(), text)).ok_or(name))
                .collect::<Result<Vec<_>, _>>()
                .map(cells)
                .map_err(|name| format!("{name} is neither text nor a number nor true or false")),
            Ok(_) => Err("it is no JSON object".to_owned()),
            Err(error) => Err(format!("it is no JSON: {error}")),
        });
    }
    Ok(rows)
}

/// `None` for lists and objects.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn parquet(file: File) -> Result<Vec<Row>> {
    let reader = SerializedFileReader::new(file)?;
    let mut rows = Vec::new();
    for row in reader.get_row_iter(None)? {
        rows.push(match row {
            Ok(row) => Ok(cells(row.get_column_iter().map(|(name, field)| (name.clone(), cell(field))))),
            Err(error) => Err(error.to_string()),
        });
    }
    Ok(rows)
}

fn cell(field: &Field) -> String {
    match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        // As text, without a point where there is nothing behind it, so that whole numbers that pandas made floats are whole.
        Field::Double(number) => number.to_string(),
        Field::Float(number) => number.to_string(),
        other => other.to_string(),
    }
}

fn cells(all: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    all.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(name: &str, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn semicolons_part_cells_as_commas_do_and_a_missing_column_is_told_once() {
        let (_dir, path) = write("a.csv", "photo;voice;output;emotion-intensity\na.jpg;b.wav;c.mp4;0,5\n");
        let row = read(&path).unwrap().remove(0).unwrap();
        assert_eq!(row[0], ("photo".to_owned(), "a.jpg".to_owned()));
        assert_eq!(row[3].1, "0,5");
        let (_dir, path) = write("b.csv", "picture,voice,output\na.jpg,b.wav,c.mp4\nd.jpg,e.wav,f.mp4\n");
        let said = format!("{:#}", read(&path).unwrap_err());
        assert!(
            said.ends_with("its first row names no column \"photo\", but picture, voice, output"),
            "{said}"
        );
    }

    fn pairs(cells: &[(&str, &str)]) -> Vec<(String, String)> {
        cells.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn cells_are_read_by_name_and_a_bad_row_keeps_its_place() {
        let text = "\u{feff}photo, voice,output,emotion\na.jpg,\"b, c.wav\",d.mp4,\ne.jpg,f.wav\ng,h,i,j,k\n";
        let (_dir, path) = write("jobs.csv", text);
        let rows = read(&path).unwrap();
        assert_eq!(rows[0], Ok(pairs(&[("photo", "a.jpg"), ("voice", "b, c.wav"), ("output", "d.mp4")])));
        assert_eq!(rows[1], Ok(pairs(&[("photo", "e.jpg"), ("voice", "f.wav")])));
        assert!(rows[2].as_ref().unwrap_err().contains("5 cells where 4"), "{:?}", rows[2]);
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn json_lines_hold_text_numbers_and_truth() {
        let text =
            "{\"photo\":\"a.jpg\",\"seed\":7,\"look-away\":true,\"face\":null}\n\n[1]\n{\"a\":[]}\n{broken\n";
        let (_dir, path) = write("jobs.jsonl", text);
        let rows = read(&path).unwrap();
        assert_eq!(rows[0].as_ref().unwrap().len(), 3, "{rows:?}");
        assert!(rows[0].as_ref().unwrap().contains(&("seed".to_owned(), "7".to_owned())));
        for (row, said) in [(1, "no JSON object"), (2, "a is neither text"), (3, "it is no JSON: ")] {
            assert!(rows[row].as_ref().unwrap_err().contains(said), "{rows:?}");
        }
        assert_eq!(rows.len(), 4);
    }

    #[test]
    fn parquet_is_read_as_it_is_written() {
        use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
        use parquet::file::properties::WriterProperties;
        use parquet::file::writer::SerializedFileWriter;
        use parquet::schema::parser::parse_message_type;

        let (_dir, path) = write("jobs.parquet", "");
        let schema = "message jobs { required binary photo (UTF8); optional double seed; }";
        let schema = std::sync::Arc::new(parse_message_type(schema).unwrap());
        let file = File::create(&path).unwrap();
        let mut writer =
            SerializedFileWriter::new(file, schema, std::sync::Arc::new(WriterProperties::default()))
                .unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let photos = [ByteArray::from("a.jpg"), ByteArray::from("b.jpg")];
        column.typed::<ByteArrayType>().write_batch(&photos, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&[7.0], Some(&[1, 0]), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        let rows = read(&path).unwrap();
        assert_eq!(rows, [Ok(pairs(&[("photo", "a.jpg"), ("seed", "7")])), Ok(pairs(&[("photo", "b.jpg")]))]);
    }

    #[test]
    fn what_is_no_table_is_named() {
        let (_dir, path) = write("jobs.xls", "");
        assert!(format!("{:#}", read(&path).unwrap_err()).contains("must end in .csv, .jsonl or .parquet"));
        let (_dir, path) = write("jobs.csv", "photo,photo\na,b\n");
        assert!(format!("{:#}", read(&path).unwrap_err()).contains("two columns are named \"photo\""));
        let (_dir, path) = write("jobs.parquet", "no");
        assert!(format!("{:#}", read(&path).unwrap_err()).contains("jobs.parquet"));
    }
}
