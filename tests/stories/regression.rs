//! Defects that were found and mended, one story each, which failed before the mend. Its comment says what the owner of a
//! device saw. A defect that belongs to a chapter of its own may stand there as well; here is where to look for "was that
//! not broken once?".
