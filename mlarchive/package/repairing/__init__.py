"""What is left of a damaged package, and a package made of it again (clause 11.7).

`scanning` finds records where nothing can be trusted; `survey` is all that one file still says;
`stating` is what its checkpoints say; `layouts` and `naming` tell of which chunks a file is made;
`salvage` puts this together, for one file or several copies; `rebuilding` writes the package
again, with `restating` for its checkpoints; `placing` gives files that are saved alone a place in
a folder.
"""
