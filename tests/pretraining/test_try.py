def test_it(undisturbed):
    import subprocess
    print(subprocess.run(["ls","-laR",str(undisturbed)],capture_output=True,text=True).stdout)
    print((undisturbed/"log.jsonl").read_text())
