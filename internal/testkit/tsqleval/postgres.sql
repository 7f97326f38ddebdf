-- The functions of T-SQL that bodies use, as SQL Server documents them, for PostgreSQL.

CREATE OPERATOR + (leftarg = text, rightarg = text, function = textcat);

CREATE FUNCTION len(text) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT length(rtrim($1, ' ')) $$;

CREATE FUNCTION charindex(text, text) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT strpos($2, $1) $$;

CREATE FUNCTION dateadd(part text, n int, t timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT t + (n || ' ' || part)::interval
$$;

CREATE FUNCTION switchoffset(timestamptz, text) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT $1 AT TIME ZONE 'UTC' -- bodies ask for +00:00 alone
$$;

CREATE FUNCTION try_int(x text) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF btrim(x) = '' THEN RETURN 0; END IF;
  RETURN CASE WHEN btrim(x) ~ '^[+-]?[0-9]+$' THEN x::int END;
EXCEPTION WHEN OTHERS THEN RETURN NULL;
END $$;

CREATE FUNCTION try_bigint(x text) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF btrim(x) = '' THEN RETURN 0; END IF;
  RETURN CASE WHEN btrim(x) ~ '^[+-]?[0-9]+$' THEN x::bigint END;
EXCEPTION WHEN OTHERS THEN RETURN NULL;
END $$;

CREATE FUNCTION try_decimal(x text, digits int, scale int) RETURNS numeric LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE n numeric;
BEGIN
  IF x !~ '^ *[+-]?([0-9]+\.?[0-9]*|\.[0-9]+) *$' THEN RETURN NULL; END IF;
  n := round(x::numeric, scale);
  RETURN CASE WHEN abs(n) < 10::numeric ^ (digits - scale) THEN n END;
END $$;

CREATE FUNCTION try_date(x text) RETURNS date LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN x::date;
EXCEPTION WHEN OTHERS THEN RETURN NULL;
END $$;

CREATE FUNCTION try_datetime2(x text) RETURNS timestamp LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN x::timestamp;
EXCEPTION WHEN OTHERS THEN RETURN NULL;
END $$;

CREATE FUNCTION try_datetimeoffset(x text) RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN x::timestamptz;
EXCEPTION WHEN OTHERS THEN RETURN NULL;
END $$;

-- What OPENJSON gives of a value: its text, or its JSON. Functions in SQL are not STRICT, so that the
-- planner puts their bodies in their place.
CREATE FUNCTION scalar(j json) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN json_typeof(j) NOT IN ('object', 'array') THEN j #>> '{}' END
$$;

CREATE FUNCTION nested(j json) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN json_typeof(j) IN ('object', 'array') THEN j::text END
$$;

CREATE FUNCTION json_query(j text, path text[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT nested(j::json #> path) $$;

CREATE FUNCTION json_kind(j json) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT array_position(ARRAY['null', 'string', 'number', 'boolean', 'array', 'object'], json_typeof(j)) - 1
$$;

-- OPENJSON without WITH.
CREATE FUNCTION openjson(t text) RETURNS TABLE (key text, value text, type int) LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE j json := t::json;
BEGIN
  CASE json_typeof(j)
    WHEN 'array' THEN
      RETURN QUERY SELECT (e.n - 1)::text, coalesce(nested(e.v), scalar(e.v)), json_kind(e.v) FROM json_array_elements(j) WITH ORDINALITY AS e (v, n);
    WHEN 'object' THEN
      RETURN QUERY SELECT e.k, coalesce(nested(e.v), scalar(e.v)), json_kind(e.v) FROM json_each(j) AS e (k, v);
    ELSE RAISE 'JSON text is not properly formatted';
  END CASE;
END $$;

-- The values whose members OPENJSON .. WITH reads; others have no members.
CREATE FUNCTION opened(t text) RETURNS SETOF json LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE j json := t::json;
BEGIN
  CASE json_typeof(j)
    WHEN 'array' THEN RETURN QUERY SELECT CASE WHEN json_typeof(e.v) = 'object' THEN e.v ELSE '{}' END FROM json_array_elements(j) AS e (v);
    WHEN 'object' THEN RETURN NEXT j;
    ELSE RAISE 'JSON text is not properly formatted';
  END CASE;
END $$;
