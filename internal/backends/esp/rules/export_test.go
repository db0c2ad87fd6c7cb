package rules

// PythonPattern checks a pattern of Python's.
var PythonPattern = pythonPattern
