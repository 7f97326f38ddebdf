-- last commits on sqlserver
SELECT l.[type], MAX(l.[committed_at]) AS [committed_at], MAX(l.[view_set]) AS [view_set]
FROM [fhir_load].[_ledger] AS l
WHERE l.[applied] > 0
GROUP BY l.[type];

-- last exports on sqlserver
SELECT e.[plan_name], MAX(e.[till]) AS [till]
FROM [fhir].[etl_exports] AS e
WHERE e.[state] = 'loaded'
GROUP BY e.[plan_name];

-- count the rows on sqlserver
SELECT t.[name] AS [table_name], SUM(p.[rows]) AS [n]
FROM [sys].[tables] AS t
JOIN [sys].[schemas] AS s ON s.[schema_id] = t.[schema_id]
JOIN [sys].[partitions] AS p ON p.[object_id] = t.[object_id]
WHERE s.[name] = N'fhir' AND p.[index_id] IN (0, 1)
GROUP BY t.[name];

-- last commits on synapse-dedicated
SELECT l.[type], MAX(l.[committed_at]) AS [committed_at], MAX(l.[view_set]) AS [view_set]
FROM [fhir_load].[_ledger] AS l
WHERE l.[applied] > 0
GROUP BY l.[type];

-- last exports on synapse-dedicated
SELECT e.[plan_name], MAX(e.[till]) AS [till]
FROM [fhir].[etl_exports] AS e
WHERE e.[state] = 'loaded'
GROUP BY e.[plan_name];

-- count the rows on synapse-dedicated
SELECT t.[name] AS [table_name], SUM(p.[row_count]) AS [n]
FROM [sys].[tables] AS t
JOIN [sys].[schemas] AS s ON s.[schema_id] = t.[schema_id]
JOIN [sys].[pdw_permanent_table_mappings] AS m ON m.[object_id] = t.[object_id]
JOIN [sys].[pdw_nodes_tables] AS n ON n.[name] = m.[physical_name]
JOIN [sys].[dm_pdw_nodes_db_partition_stats] AS p ON p.[object_id] = n.[object_id] AND p.[pdw_node_id] = n.[pdw_node_id] AND p.[distribution_id] = n.[distribution_id]
WHERE s.[name] = N'fhir' AND p.[index_id] IN (0, 1)
GROUP BY t.[name];

-- last commits on fabric
SELECT l.[type], MAX(l.[committed_at]) AS [committed_at], MAX(l.[view_set]) AS [view_set]
FROM [fhir_load].[_ledger] AS l
WHERE l.[applied] > 0
GROUP BY l.[type];

-- last exports on fabric
SELECT e.[plan_name], MAX(e.[till]) AS [till]
FROM [fhir].[etl_exports] AS e
WHERE e.[state] = 'loaded'
GROUP BY e.[plan_name];

-- count the rows on fabric
SELECT 'patient' AS [table_name], COUNT_BIG(*) AS [n] FROM [fhir].[patient] AS t
UNION ALL
SELECT 'patient_name' AS [table_name], COUNT_BIG(*) AS [n] FROM [fhir].[patient_name] AS t;

