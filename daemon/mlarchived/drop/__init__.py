"""Drop folders: what people and programs put there is taken into a mirror's vault, once.

```
 candidates ──stillness, markers──▶ complete? ──claims──▶ .mlarchived/  ──intake──▶ vault
 watch: hints to look again                                     │
                                                                └──▶ quarantine/, with a reason
```

A scan is the truth; events of the file system only say that a scan may find something. What is
taken is claimed by renaming it, copied while it is checked, and removed when the vault and the
ledger have it; so a crash at any moment is mended by the next scan.
"""
