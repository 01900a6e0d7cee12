// The page is there to be printed.
addEventListener("load", () => print());
